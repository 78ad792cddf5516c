#include <chrono>
#include <ostream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tests/conformance/a6_cases.h"

namespace firebreak::testing {
namespace {

core::Duration Ms(int n) { return std::chrono::milliseconds(n); }

core::CodeSet SetOf(const std::vector<absl::StatusCode>& codes) {
  core::CodeSet set;
  for (absl::StatusCode code : codes) set.Add(code);
  return set;
}

// "[UNAVAILABLE, INTERNAL]", with `quote` before and after each name.
std::string List(const std::vector<absl::StatusCode>& codes,
                 const std::string& quote) {
  return absl::StrCat(
      "[",
      absl::StrJoin(codes, ", ",
                    [&](std::string* out, absl::StatusCode code) {
                      absl::StrAppend(out, quote,
                                      absl::StatusCodeToString(code), quote);
                    }),
      "]");
}

// A duration in Protobuf's JSON: "0.1s", with the quotes.
std::string Seconds(int ms) { return absl::StrCat("\"", ms / 1000.0, "s\""); }

const char* JitterName(core::BackoffOptions::Jitter jitter) {
  switch (jitter) {
    case core::BackoffOptions::Jitter::kFull:
      return "FULL";
    case core::BackoffOptions::Jitter::kEqual:
      return "EQUAL";
    case core::BackoffOptions::Jitter::kPlusMinus:
      return "PLUS_MINUS";
    case core::BackoffOptions::Jitter::kNone:
      break;
  }
  return "NONE";
}

}  // namespace

A6Policy RetryPolicy(int max_attempts, int initial_ms, int max_ms,
                     std::vector<absl::StatusCode> codes) {
  A6Policy policy;
  policy.max_attempts = max_attempts;
  policy.initial_ms = initial_ms;
  policy.max_ms = max_ms;
  policy.codes = std::move(codes);
  return policy;
}

A6Policy HedgingPolicy(int max_attempts, int delay_ms,
                       std::vector<absl::StatusCode> codes) {
  A6Policy policy;
  policy.hedges = true;
  policy.max_attempts = max_attempts;
  policy.delay_ms = delay_ms;
  policy.codes = std::move(codes);
  return policy;
}

core::MethodOptions A6Policy::Options() const {
  core::MethodOptions options;
  if (hedges) {
    options.hedging.emplace();
    options.hedging->max_attempts = max_attempts;
    options.hedging->delay = Ms(delay_ms);
    options.hedging->non_fatal_codes = SetOf(codes);
  } else {
    options.retry.emplace();
    options.retry->max_attempts = max_attempts;
    options.retry->backoff.initial = Ms(initial_ms);
    options.retry->backoff.max = Ms(max_ms);
    options.retry->backoff.multiplier = multiplier;
    options.retry->backoff.jitter = jitter;
    options.retry->codes = SetOf(codes);
  }
  return options;
}

core::BudgetOptions A6Policy::Budget() const {
  core::BudgetOptions options;
  options.ratio = 1;
  options.burst = 10'000;
  options.initial.reset();
  options.throttling = throttling;
  return options;
}

std::string A6Policy::Text() const {
  std::string method;
  if (hedges) {
    method = absl::StrCat("hedging { max_attempts: ", max_attempts,
                          " delay: \"", delay_ms, "ms\" ",
                          codes.empty() ? "all_codes_fatal: true"
                                        : "non_fatal_codes: " + List(codes, ""),
                          " }");
  } else {
    method = absl::StrCat("retry { max_attempts: ", max_attempts,
                          " codes: ", List(codes, ""), " backoff { initial: \"",
                          initial_ms, "ms\" max: \"", max_ms,
                          "ms\" multiplier: ", multiplier,
                          " jitter: ", JitterName(jitter), " } }");
  }
  std::string throttle;
  if (throttling) {
    throttle =
        absl::StrCat(" throttling { max_tokens: ", throttling->max_tokens,
                     " token_ratio: ", throttling->token_ratio, " }");
  }
  return absl::StrCat("method { name {} ", method,
                      " } channel { budget { ratio: 1 burst: 10000 }", throttle,
                      " }");
}

std::string A6Policy::ServiceConfig() const {
  std::string method;
  if (hedges) {
    method =
        absl::StrCat("\"hedgingPolicy\": {\"maxAttempts\": ", max_attempts,
                     ", \"hedgingDelay\": ", Seconds(delay_ms),
                     ", \"nonFatalStatusCodes\": ", List(codes, "\""), "}");
  } else {
    method =
        absl::StrCat("\"retryPolicy\": {\"maxAttempts\": ", max_attempts,
                     ", \"initialBackoff\": ", Seconds(initial_ms),
                     ", \"maxBackoff\": ", Seconds(max_ms),
                     ", \"backoffMultiplier\": ", multiplier,
                     ", \"retryableStatusCodes\": ", List(codes, "\""), "}");
  }
  std::string throttle;
  if (throttling) {
    throttle = absl::StrCat(
        ", \"retryThrottling\": {\"maxTokens\": ", throttling->max_tokens,
        ", \"tokenRatio\": ", throttling->token_ratio, "}");
  }
  return absl::StrCat("{\"methodConfig\": [{\"name\": [{}], ", method, "}]",
                      throttle, "}");
}

Step Reply::ToStep() const {
  Step step;
  if (code != absl::StatusCode::kOk) {
    step = Step::Fail(static_cast<grpc::StatusCode>(code), "as the table says");
  }
  step.hangs = hangs;
  step.latency = std::chrono::milliseconds(latency_ms);
  step.waits_for = waits_for;
  if (sends_headers) step.initial.emplace("x-headers", "first");
  if (pushback) step.trailing.emplace("grpc-retry-pushback-ms", *pushback);
  return step;
}

core::AttemptEnd Reply::ToEnd() const {
  core::AttemptEnd end;
  end.code = code;
  if (pushback) end.pushback = core::ParsePushback(*pushback);
  return end;
}

void PrintTo(const A6Case& c, std::ostream* out) {
  *out << c.name << ": " << c.policy.Text();
}

const std::vector<A6Case>& A6Cases() {
  static const auto* const cases = [] {
    auto* all = new std::vector<A6Case>(A6RetryCases());
    for (A6Case& c : A6HedgingCases()) all->push_back(std::move(c));
    return all;
  }();
  return *cases;
}

}  // namespace firebreak::testing
