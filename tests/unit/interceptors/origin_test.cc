// The origin of a status, computed from facts of all gRPC versions and from
// invented ones. tests/integration/origin_test.cc tests gRPC's real facts.
#include "interceptors/context/origin.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace firebreak::interceptors {
namespace {

using core::Origin;
using grpc::StatusCode;

constexpr char kTarget[] = "dns:///shop:443";
constexpr char kAddress[] = "ipv4:10.0.0.7:443";
constexpr char kReceived[] =
    "UNKNOWN:Error received from peer ipv4:10.0.0.7:443 {grpc_status:14}";
constexpr char kRefused[] =
    "failed to connect to all addresses; last error: UNKNOWN: "
    "ipv4:10.0.0.7:443: Failed to connect to remote host: Connection refused";

EndFacts Facts(StatusCode code, const std::string& message,
               const std::string& peer, const std::string& debug = "") {
  EndFacts facts;
  facts.code = code;
  facts.message = message;
  facts.peer = peer;
  facts.debug = debug;
  return facts;
}

// Returns the facts on a channel to "ipv4:10.0.0.7:443", where peer() has this
// value from the start.
EndFacts OnAddress(EndFacts facts) {
  facts.target_is_address = true;
  return facts;
}

TEST(OriginTest, WithoutAConnectionItIsFromNowhere) {
  for (const char* message :
       {kRefused, "failed to connect to all addresses",
        "connections to all backends failing; last error: UNKNOWN: x",
        "empty address list: ", "DNS resolution failed for shop:443: x",
        "errors resolving shop:443: [x]", "No results from DNS queries"}) {
    // From gRPC 1.81 on, the debug string has no fixed form.
    for (const char* debug : {"UNKNOWN:x {grpc_status:14}", "", "anything"}) {
      for (const char* peer : {kTarget, "shop:443", "consul:///shop"}) {
        EXPECT_EQ(
            OriginOf(Facts(StatusCode::UNAVAILABLE, message, peer, debug)),
            Origin::kNowhere)
            << message;
      }
    }
  }
}

// A server may pass on the status of its own server, word for word.
TEST(OriginTest, AServerMaySaySoTooAndThenItWasSent) {
  for (const char* debug : {kReceived, "", "UNAVAILABLE:failed to connect"}) {
    EXPECT_EQ(
        OriginOf(Facts(StatusCode::UNAVAILABLE, kRefused, kAddress, debug)),
        Origin::kPeer);
  }
  // The peer is lost, as after a later cancel of the call.
  EXPECT_EQ(
      OriginOf(Facts(StatusCode::UNAVAILABLE, kRefused, kTarget, kReceived)),
      Origin::kPeer);
  // Only servers send details, whatever the other facts are.
  EndFacts facts = Facts(StatusCode::UNAVAILABLE, kRefused, kTarget);
  facts.has_details = true;
  EXPECT_EQ(OriginOf(facts), Origin::kPeer);
  facts.has_details = false;
  facts.has_trailing = true;
  EXPECT_EQ(OriginOf(facts), Origin::kPeer);
  // This only holds for this code.
  EXPECT_NE(OriginOf(Facts(StatusCode::INTERNAL, kRefused, kTarget)),
            Origin::kNowhere);
}

TEST(OriginTest, WhereThePeerTellsNothingACallCountsAsSent) {
  for (const char* debug : {kReceived, "", "anything"}) {
    EXPECT_EQ(OriginOf(OnAddress(
                  Facts(StatusCode::UNAVAILABLE, kRefused, kAddress, debug))),
              Origin::kTransport);
    for (const char* peer : {"", "unknown", "inproc", "fd:7"}) {
      EXPECT_EQ(OriginOf(Facts(StatusCode::UNAVAILABLE, kRefused, peer, debug)),
                Origin::kTransport)
          << peer;
    }
  }
  for (const char* peer :
       {"ipv6:[::1]:1", "unix:/tmp/x", "unix-abstract:x", "vsock:1:2"}) {
    EXPECT_EQ(
        OriginOf(OnAddress(Facts(StatusCode::UNAVAILABLE, kRefused, peer))),
        Origin::kTransport);
    EXPECT_EQ(OriginOf(Facts(StatusCode::UNAVAILABLE, kRefused, peer)),
              Origin::kPeer);
  }
}

TEST(OriginTest, WhatBreaksUnderWayIsTheTransports) {
  for (const char* message :
       {"Socket closed", "recvmsg:Connection reset by peer", "GOAWAY received",
        "sendmsg: Broken pipe", "keepalive watchdog timeout",
        "Endpoint closing", "Transport closed", "Stream removed (x)",
        "ping timeout"}) {
    for (const char* peer : {kTarget, kAddress}) {
      EXPECT_EQ(
          OriginOf(Facts(StatusCode::UNAVAILABLE, message, peer, kReceived)),
          Origin::kTransport)
          << message;
    }
    EXPECT_NE(OriginOf(Facts(StatusCode::INTERNAL, message, kAddress)),
              Origin::kTransport);
  }
}

TEST(OriginTest, LimitsAndCredentialsAreOurOwn) {
  const struct {
    StatusCode code;
    const char* message;
    Origin of_a_server;  // whose address is there
    Origin in_doubt;
  } kCases[] = {
      {StatusCode::RESOURCE_EXHAUSTED, "Sent message larger than max (9 vs. 1)",
       Origin::kPeer, Origin::kHere},
      {StatusCode::RESOURCE_EXHAUSTED,
       "Received message larger than max (9 vs. 1)", Origin::kPeer,
       Origin::kHere},
      {StatusCode::RESOURCE_EXHAUSTED,
       "CLIENT: Sent message larger than max (9 vs. 1)", Origin::kHere,
       Origin::kHere},
      {StatusCode::RESOURCE_EXHAUSTED,
       "CLIENT: Received message larger than max (9 vs. 1)", Origin::kHere,
       Origin::kHere},
      {StatusCode::RESOURCE_EXHAUSTED,
       "received initial metadata size exceeds limit", Origin::kHere,
       Origin::kHere},
      {StatusCode::RESOURCE_EXHAUSTED,
       "received metadata size exceeds soft limit (9 vs. 1)", Origin::kHere,
       Origin::kHere},
      {StatusCode::RESOURCE_EXHAUSTED,
       "Stream removed (received metadata size exceeds soft limit (9 vs. 1))",
       Origin::kHere, Origin::kHere},
      {StatusCode::UNAVAILABLE,
       "Getting metadata from plugin failed with error: x", Origin::kPeer,
       Origin::kUnknown},
      // Newer gRPC may keep the plugin's code.
      {StatusCode::INTERNAL,
       "Getting metadata from plugin failed with error: x", Origin::kPeer,
       Origin::kUnknown},
      {StatusCode::DEADLINE_EXCEEDED,
       "Getting metadata from plugin failed with error: x", Origin::kPeer,
       Origin::kUnknown},
      {StatusCode::UNAVAILABLE, "Illegal metadata", Origin::kPeer,
       Origin::kUnknown},
      {StatusCode::UNAUTHENTICATED,
       "Established channel does not have a sufficient security level to "
       "transfer call credential.",
       Origin::kPeer, Origin::kUnknown},
      {StatusCode::UNAUTHENTICATED,
       "Established channel does not have an auth property representing a "
       "security level.",
       Origin::kPeer, Origin::kUnknown},
      {StatusCode::UNAUTHENTICATED,
       "Incompatible credentials set on channel and call.", Origin::kPeer,
       Origin::kUnknown},
  };
  for (const auto& c : kCases) {
    // gRPC 1.51 says "received" of these, too.
    for (const char* debug : {kReceived, "", "anything"}) {
      EXPECT_EQ(OriginOf(Facts(c.code, c.message, kTarget, debug)),
                Origin::kHere)
          << c.message;
      EXPECT_EQ(OriginOf(Facts(c.code, c.message, kAddress, debug)),
                c.of_a_server)
          << c.message;
      EXPECT_EQ(OriginOf(OnAddress(Facts(c.code, c.message, kAddress, debug))),
                c.in_doubt)
          << c.message;
    }
    // A call without credentials has none that could fail.
    EndFacts with = OnAddress(Facts(c.code, c.message, kAddress));
    with.has_credentials = true;
    EXPECT_EQ(OriginOf(with), Origin::kHere) << c.message;
    with.target_is_address = false;
    EXPECT_EQ(OriginOf(with), c.of_a_server) << c.message;
    // With a prefix, it is a server's quotation of the message.
    EXPECT_NE(OriginOf(Facts(c.code, std::string("upstream: ") + c.message,
                             kAddress, kReceived)),
              Origin::kHere);
    EndFacts facts = Facts(c.code, c.message, kTarget);
    facts.has_trailing = true;
    EXPECT_EQ(OriginOf(facts), Origin::kPeer);
  }
  // In newer gRPC, the server sends this.
  EXPECT_EQ(OriginOf(Facts(StatusCode::RESOURCE_EXHAUSTED,
                           "SERVER: Received message larger than max (9 vs. 1)",
                           kAddress)),
            Origin::kPeer);
}

TEST(OriginTest, ACancelOrADeadlineIsOursUnlessAServerSaysSo) {
  const struct {
    StatusCode code;
    const char* own;
  } kCases[] = {{StatusCode::CANCELLED, "CANCELLED"},
                {StatusCode::DEADLINE_EXCEEDED, "Deadline Exceeded"}};
  for (const auto& c : kCases) {
    EXPECT_EQ(OriginOf(Facts(c.code, c.own, kTarget, "CANCELLED")),
              Origin::kHere);
    EXPECT_EQ(OriginOf(Facts(c.code, "in other words", kTarget)),
              Origin::kHere);
    EXPECT_EQ(OriginOf(Facts(c.code, c.own, kAddress, kReceived)),
              Origin::kPeer);
    EXPECT_EQ(OriginOf(Facts(c.code, c.own, kTarget, kReceived)),
              Origin::kPeer);
    EXPECT_EQ(OriginOf(Facts(c.code, "from a server", kAddress)),
              Origin::kPeer);
    EXPECT_EQ(OriginOf(Facts(c.code, "", kAddress)), Origin::kPeer);
    // In the newest gRPC a cancelled call keeps its peer, and the debug string
    // does not show the origin.
    EXPECT_EQ(OriginOf(Facts(c.code, c.own, kAddress)), Origin::kUnknown);
    EXPECT_EQ(OriginOf(OnAddress(Facts(c.code, c.own, kAddress, kReceived))),
              Origin::kPeer);
    // In-process channels say "received" of everything.
    EXPECT_EQ(OriginOf(Facts(c.code, c.own, "inproc", kReceived)),
              Origin::kUnknown);
    EXPECT_EQ(OriginOf(Facts(c.code, "from a server", "inproc", kReceived)),
              Origin::kPeer);
  }
}

TEST(OriginTest, WhatNoTextExplainsIsAServersIfOneWasReached) {
  for (int code = 1; code <= 17; ++code) {
    const auto c = static_cast<StatusCode>(code);
    EXPECT_EQ(OriginOf(Facts(c, "busy", kAddress)), Origin::kPeer) << code;
    EXPECT_EQ(OriginOf(Facts(c, "busy", kAddress, kReceived)), Origin::kPeer);
    EXPECT_EQ(OriginOf(Facts(c, "", kAddress)), Origin::kPeer);
    EXPECT_NE(OriginOf(Facts(c, "busy", kTarget)), Origin::kNowhere);
    EXPECT_NE(OriginOf(Facts(c, "busy", "")), Origin::kNowhere);
  }
  // Without a server's address it was the connection, whatever the message is.
  EXPECT_EQ(OriginOf(Facts(StatusCode::UNAVAILABLE, "new words", kTarget)),
            Origin::kTransport);
  EXPECT_EQ(
      OriginOf(Facts(StatusCode::UNAVAILABLE, "new words", kTarget, kReceived)),
      Origin::kPeer);
  EXPECT_EQ(OriginOf(Facts(StatusCode::INTERNAL, "new words", kTarget)),
            Origin::kUnknown);
  EXPECT_EQ(OriginOf(Facts(StatusCode::OK, "", kTarget)), Origin::kPeer);
}

}  // namespace
}  // namespace firebreak::interceptors
