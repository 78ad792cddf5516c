#include "tools/firebreakctl/foresight/recorded_calls.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "tools/firebreakctl/foresight/recording_file.h"

namespace firebreak::ctl {
namespace {

using sim::Observed;

// A smaller difference of clocks may be the delay of the network.
constexpr int64_t kSkewToMend = 1'000'000'000;

// No attempt counts as longer.
constexpr uint64_t kLongestNs = uint64_t{3600} * 24 * 7 * 1'000'000'000;

const std::string& NameOf(const v1::CallBlock& block, uint32_t n) {
  return block.names(static_cast<int>(n));
}

// What an attempt shows about the server.
Observed::Met MetBy(const v1::CallBlock& block,
                    const v1::RecordedAttempt& attempt) {
  const std::string& how = NameOf(block, attempt.attribution());
  const bool is_given_up =
      how == "superseded" || how == "cancelled_by_caller" || how == "abandoned";
  return is_given_up ? Observed::Met::kNoAnswer : Observed::Met::kAnswer;
}

absl::StatusCode CodeOf(v1::Code code) {
  return v1::Code_IsValid(code) ? static_cast<absl::StatusCode>(code)
                                : absl::StatusCode::kUnknown;
}

core::Duration Bounded(uint64_t ns) {
  return core::Duration(
      static_cast<int64_t>(std::min<uint64_t>(ns, kLongestNs)));
}

// By how much the times of the block are corrected.
int64_t AheadOf(const v1::CallBlock& block) {
  const int64_t ahead = block.clock_ahead_ns();
  return std::abs(ahead) >= kSkewToMend ? ahead : 0;
}

// Adds the block's notes on all of its calls.
void Note(const v1::CallBlock& block, RecordedNotes* notes) {
  notes->lost = std::min(notes->lost + block.lost(), kMostLost);
  if (!block.calls().empty()) notes->sources.insert(block.source());
  if (block.share() > 0) notes->share = block.share();
  const int64_t ahead = AheadOf(block);
  if (ahead != 0) notes->clocks[block.source()] = ahead;
}

// Microseconds as decimal milliseconds.
std::string MsText(int64_t ns) {
  return absl::StrFormat("%d.%03d", ns / 1'000'000, ns / 1000 % 1000);
}

// A field of CSV that needs no quotes.
std::string Field(absl::string_view text) {
  std::string field(text);
  for (char& c : field) {
    if (c == ',' || c == '"' || absl::ascii_iscntrl(static_cast<uint8_t>(c))) {
      c = '?';
    }
  }
  return field;
}

}  // namespace

absl::Status RecordedCalls::Add(const v1::CallBlock& block) {
  Note(block, &notes_);
  for (const v1::RecordedCall& call : block.calls()) {
    if (call.is_stream()) {
      ++notes_.streams;
      continue;
    }
    const std::string& method = NameOf(block, call.method());
    const int64_t start = block.base_ns() - AheadOf(block) + call.started_ns();
    auto met = Observed::Met::kNobody;
    core::Duration latency{};
    v1::Code code = call.code();
    if (!call.attempts().empty()) {
      const v1::RecordedAttempt& attempt = call.attempts(0);
      met = MetBy(block, attempt);
      latency = Bounded(attempt.took_ns());
      code = attempt.code();
    }
    absl::Status added =
        observed_.AddCall(method, start, met, latency, CodeOf(code));
    if (!added.ok()) return added;
    for (int n = 1; n < call.attempts_size(); ++n) {
      const v1::RecordedAttempt& attempt = call.attempts(n);
      observed_.AddAttempt(method, start + Bounded(attempt.after_ns()).count(),
                           MetBy(block, attempt), Bounded(attempt.took_ns()),
                           CodeOf(attempt.code()));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<sim::Recording> RecordedCalls::Finish() {
  absl::StatusOr<sim::Recording> recording = observed_.Finish();
  if (recording.ok()) {
    recording->processes = std::max<size_t>(1, notes_.sources.size());
  }
  return recording;
}

absl::StatusOr<sim::Recording> ReadRecordedCalls(std::istream* in,
                                                 RecordedNotes* notes) {
  RecordedCalls calls;
  const absl::StatusOr<BlocksRead> read = ReadBlocks(
      in, [&](const v1::CallBlock& block) { return calls.Add(block); });
  if (!read.ok()) return read.status();
  *notes = calls.notes();
  notes->is_cut = read->is_cut;
  return calls.Finish();
}

absl::Status WriteCsv(std::istream* in, std::ostream* out,
                      RecordedNotes* notes) {
  *out << "#firebreak-calls 1\n"
          "start_ms,method,latency_ms,code,channel,end,reason,attempts,"
          "retries,hedges,source\n";
  const auto write = [&](const v1::CallBlock& block) -> absl::Status {
    Note(block, notes);
    for (const v1::RecordedCall& call : block.calls()) {
      if (call.is_stream()) {
        ++notes->streams;
        continue;
      }
      // The result and the end of such a call are not known.
      if (call.end() == v1::RECORDED_END_ABANDONED) {
        ++notes->abandoned;
        continue;
      }
      int retries = 0;
      int hedges = 0;
      for (const v1::RecordedAttempt& attempt : call.attempts()) {
        retries += attempt.kind() == v1::RecordedAttempt::RETRY ? 1 : 0;
        hedges += attempt.kind() == v1::RecordedAttempt::HEDGE ? 1 : 0;
      }
      constexpr absl::string_view kEndPrefix = "RECORDED_END_";
      std::string end = v1::RecordedEnd_Name(call.end());
      if (end.size() > kEndPrefix.size()) end.erase(0, kEndPrefix.size());
      *out << absl::StrJoin(
                  {MsText(block.base_ns() - AheadOf(block) + call.started_ns()),
                   Field(NameOf(block, call.method())),
                   MsText(Bounded(call.took_ns()).count()),
                   absl::StatusCodeToString(CodeOf(call.code())),
                   Field(NameOf(block, call.channel())),
                   absl::AsciiStrToLower(end),
                   Field(NameOf(block, call.reason())),
                   absl::StrCat(call.attempts_size()), absl::StrCat(retries),
                   absl::StrCat(hedges), Field(block.source())},
                  ",")
           << "\n";
    }
    return out->good() ? absl::OkStatus()
                       : absl::UnavailableError("the output cannot be written");
  };
  const absl::StatusOr<BlocksRead> read = ReadBlocks(in, write);
  if (!read.ok()) return read.status();
  notes->is_cut = read->is_cut;
  return absl::OkStatus();
}

}  // namespace firebreak::ctl
