#include "interceptors/context/origin.h"

#include <algorithm>

#include "absl/strings/match.h"

namespace firebreak::interceptors {
namespace {

using core::Origin;
using grpc::StatusCode;

// Whether a server has sent anything on this call.
enum class Reached { kYes, kNo, kUnclear };

// When a row is believed.
enum class If {
  kNotReached,  // if no server can have sent the status
  kAlways,      // whether a server may have sent it or not
};

// A status that gRPC makes itself.
struct Row {
  StatusCode code;         // OK: any
  absl::string_view text;  // kHere: begins the message; else: is in it
  Origin origin;
  If believed;
  // For maintainers: the gRPC versions it was seen in. The tests in
  // tests/integration/origin_test.cc and origin_connection_test.cc provoke
  // those of 1.51, unless the row says that it was only read in the source.
  absl::string_view seen_in;
};

constexpr StatusCode kUnavailable = StatusCode::UNAVAILABLE;
constexpr StatusCode kExhausted = StatusCode::RESOURCE_EXHAUSTED;
constexpr StatusCode kUnauthenticated = StatusCode::UNAUTHENTICATED;

constexpr Row kTable[] = {
    // The size of a message. Newer gRPC says whose limit it was. "SERVER: " has
    // no row, since a server sends it.
    {kExhausted, "Sent message larger than max (", Origin::kHere,
     If::kNotReached, "1.51"},
    {kExhausted, "Received message larger than max (", Origin::kHere,
     If::kNotReached, "1.51"},
    {kExhausted, "CLIENT: Sent message larger than max (", Origin::kHere,
     If::kAlways, "1.83"},
    {kExhausted, "CLIENT: Received message larger than max (", Origin::kHere,
     If::kAlways, "1.83"},
    // The size of metadata. Both ends use the same text for their limits, and
    // the server's first bytes may have arrived. Whichever end it was, the
    // status says nothing about the server's health, and the call is not sent
    // again.
    {kExhausted, "received initial metadata size exceeds", Origin::kHere,
     If::kAlways, "1.51"},
    {kExhausted, "received trailing metadata size exceeds", Origin::kHere,
     If::kAlways, "1.51 source"},
    {kExhausted, "received metadata size exceeds", Origin::kHere, If::kAlways,
     "1.83"},
    {kExhausted, "Stream removed (received metadata size exceeds",
     Origin::kHere, If::kAlways, "1.83"},
    // Call credentials.
    {StatusCode::OK, "Getting metadata from plugin failed with error: ",
     Origin::kHere, If::kNotReached, "1.51 as UNAVAILABLE"},
    {kUnavailable, "Illegal metadata", Origin::kHere, If::kNotReached, "1.51"},
    {kUnauthenticated,
     "Established channel does not have a sufficient security level",
     Origin::kHere, If::kNotReached, "1.51"},
    {kUnauthenticated,
     "Established channel does not have an auth property representing a "
     "security level",
     Origin::kHere, If::kNotReached, "1.51 source"},
    {kUnauthenticated, "Incompatible credentials set on channel and call",
     Origin::kHere, If::kNotReached, "1.51 source"},
    // No connection.
    {kUnavailable, "failed to connect", Origin::kNowhere, If::kNotReached,
     "1.51, 1.83"},
    {kUnavailable, "connections to all backends failing", Origin::kNowhere,
     If::kNotReached, "1.51"},
    {kUnavailable, "empty address list", Origin::kNowhere, If::kNotReached,
     "1.51 source"},
    {kUnavailable, "DNS resolution failed", Origin::kNowhere, If::kNotReached,
     "1.51"},
    {kUnavailable, "errors resolving ", Origin::kNowhere, If::kNotReached,
     "1.83"},
    {kUnavailable, "No results from DNS queries", Origin::kNowhere,
     If::kNotReached, "1.83"},
    // A connection that broke during the call. The text may stand anywhere,
    // since the operating system's message may come before it.
    {kUnavailable, "Socket closed", Origin::kTransport, If::kAlways, "1.51"},
    {kUnavailable, "Connection reset", Origin::kTransport, If::kAlways, "1.51"},
    {kUnavailable, "GOAWAY", Origin::kTransport, If::kAlways, "1.51"},
    {kUnavailable, "Broken pipe", Origin::kTransport, If::kAlways, "source"},
    {kUnavailable, "keepalive watchdog timeout", Origin::kTransport,
     If::kAlways, "1.51"},
    {kUnavailable, "Endpoint closing", Origin::kTransport, If::kAlways,
     "1.51 source"},
    {kUnavailable, "Transport closed", Origin::kTransport, If::kAlways,
     "source"},
    {kUnavailable, "Stream removed", Origin::kTransport, If::kAlways, "1.83"},
    {kUnavailable, "ping timeout", Origin::kTransport, If::kAlways, "1.83"},
};

// The texts of gRPC's own cancel and deadline, in 1.51.
constexpr absl::string_view kCancelled = "CANCELLED";
constexpr absl::string_view kDeadlineExceeded = "Deadline Exceeded";
// The debug string of a received status begins with this, up to gRPC 1.80.
constexpr absl::string_view kFromPeer = "Error received from peer";

bool IsAddress(absl::string_view text) {
  for (absl::string_view scheme :
       {"ipv4:", "ipv6:", "unix:", "unix-abstract:", "vsock:"}) {
    if (absl::StartsWith(text, scheme)) return true;
  }
  return false;
}

Reached HasReached(const EndFacts& facts) {
  if (IsAddress(facts.peer)) {
    return facts.target_is_address ? Reached::kUnclear : Reached::kYes;
  }
  const bool says_nothing = facts.peer.empty() || facts.peer == "unknown" ||
                            absl::StartsWith(facts.peer, "inproc") ||
                            absl::StartsWith(facts.peer, "fd:");
  return says_nothing ? Reached::kUnclear : Reached::kNo;
}

bool IsReceived(const EndFacts& facts) {
  return absl::StrContains(facts.debug, kFromPeer);
}

const Row* Find(const EndFacts& facts) {
  for (const Row& row : kTable) {
    if (row.code != StatusCode::OK && row.code != facts.code) continue;
    if (row.origin == Origin::kHere
            ? absl::StartsWith(facts.message, row.text)
            : absl::StrContains(facts.message, row.text)) {
      return &row;
    }
  }
  return nullptr;
}

Origin Weigh(const Row& row, Reached reached, const EndFacts& facts) {
  if (row.believed == If::kAlways) return row.origin;
  const bool contradicts = row.origin == Origin::kNowhere && IsReceived(facts);
  switch (reached) {
    case Reached::kYes:
      return Origin::kPeer;
    case Reached::kNo:
      return contradicts ? Origin::kPeer : row.origin;
    case Reached::kUnclear:
      break;
  }
  // In doubt the call counts as sent. A status that is not retried in any case
  // may be believed, if there is a reason to.
  if (row.origin == Origin::kNowhere) return Origin::kTransport;
  return row.code == kExhausted || facts.has_credentials ? Origin::kHere
                                                         : Origin::kUnknown;
}

// Finds the origin of a cancel or a deadline, for which servers use the same
// texts.
Origin WhoseEnd(Reached reached, const EndFacts& facts) {
  // In-process channels give this debug string to every status.
  if (IsReceived(facts) &&
      (reached != Reached::kUnclear || IsAddress(facts.peer))) {
    return Origin::kPeer;
  }
  if (reached == Reached::kNo) return Origin::kHere;
  // In the newest gRPC a cancelled call keeps its peer.
  return facts.message == (facts.code == StatusCode::CANCELLED
                               ? kCancelled
                               : kDeadlineExceeded)
             ? Origin::kUnknown
             : Origin::kPeer;
}

}  // namespace

EndFacts FactsOf(const grpc::Status& status, const grpc::ClientContext& context,
                 const std::vector<std::string>& targets) {
  EndFacts facts;
  facts.code = status.error_code();
  facts.message = status.error_message();
  facts.peer = context.peer();
  facts.debug = context.debug_error_string();
  facts.has_details = !status.error_details().empty();
  facts.has_trailing = !context.GetServerTrailingMetadata().empty();
  // The getter is not const.
  facts.has_credentials =
      const_cast<grpc::ClientContext&>(context).credentials() != nullptr;
  facts.target_is_address =
      std::any_of(targets.begin(), targets.end(), IsAddress);
  return facts;
}

core::Origin OriginOf(const EndFacts& facts) {
  if (facts.code == StatusCode::OK || facts.has_details || facts.has_trailing) {
    return Origin::kPeer;
  }
  const Reached reached = HasReached(facts);
  if (const Row* const row = Find(facts)) return Weigh(*row, reached, facts);
  if (facts.code == StatusCode::CANCELLED ||
      facts.code == StatusCode::DEADLINE_EXCEEDED) {
    return WhoseEnd(reached, facts);
  }
  if (reached == Reached::kYes || IsReceived(facts)) return Origin::kPeer;
  // An UNAVAILABLE with an unknown text, from before any server was reached, is
  // a failure of the connection.
  return reached == Reached::kNo && facts.code == kUnavailable
             ? Origin::kTransport
             : Origin::kUnknown;
}

}  // namespace firebreak::interceptors
