#include "src/engine/policy/a6_policies.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "src/core/base/duration.h"
#include "src/core/base/outcome.h"

namespace firebreak::engine {
namespace {

using google::protobuf::RepeatedField;
using google::protobuf::Value;
using Kind = JsonFields::Kind;
using Need = JsonFields::Need;

absl::optional<int> ReadAttempts(const JsonFields& in, bool clamp) {
  constexpr char kKey[] = "maxAttempts";
  constexpr char kAllowed[] = "a whole number over 1";
  const auto attempts = in.Number(kKey, kAllowed, Need::kRequired);
  if (!attempts) return absl::nullopt;
  constexpr double kMax = std::numeric_limits<int>::max();
  if (*attempts < 2 || *attempts > kMax || *attempts != std::floor(*attempts)) {
    in.Refuse(kKey, kAllowed);
    return absl::nullopt;
  }
  const int whole = static_cast<int>(*attempts);
  return clamp ? std::min(whole, kA6Attempts) : whole;
}

absl::optional<std::string> ReadBackoff(const JsonFields& in,
                                        absl::string_view key) {
  auto text = in.Duration(key, Need::kRequired);
  if (!text) return absl::nullopt;
  const auto parsed = core::ParseDuration(*text);
  // The compiler refuses a duration that is too long.
  if (!parsed.ok() || *parsed > core::Duration::zero()) return text;
  in.Refuse(key, "more than \"0s\"");
  return absl::nullopt;
}

absl::optional<double> ReadMultiplier(const JsonFields& in) {
  constexpr char kKey[] = "backoffMultiplier";
  constexpr char kAllowed[] = "a number over 0";
  const auto multiplier = in.Number(kKey, kAllowed, Need::kRequired);
  if (!multiplier || *multiplier > 0) return multiplier;
  in.Refuse(kKey, kAllowed);
  return absl::nullopt;
}

// A6 ignores decimals after the third.
absl::optional<double> ReadTokens(const JsonFields& in, absl::string_view key,
                                  absl::string_view allowed) {
  const auto tokens = in.Number(key, allowed, Need::kRequired);
  if (!tokens) return absl::nullopt;
  // 0.003 * 1000 may be a little less than 3.
  constexpr double kRounding = 1e-6;
  const double thousandths = std::floor(*tokens * 1'000 + kRounding);
  if (thousandths >= 1) return thousandths / 1'000;
  in.Refuse(key, allowed);
  return absl::nullopt;
}

bool ReadCode(const Value& value, v1::Code* code) {
  if (value.has_string_value()) {
    return v1::Code_Parse(absl::AsciiStrToUpper(value.string_value()), code);
  }
  const double number = value.number_value();
  if (!value.has_number_value() || number < 0 || number >= core::kStatusCodes ||
      number != std::floor(number)) {
    return false;
  }
  *code = static_cast<v1::Code>(number);
  return true;
}

void ReadCodes(const JsonFields& in, absl::string_view key, const Value& list,
               RepeatedField<int>* out) {
  const auto& values = list.list_value().values();
  for (int i = 0; i < values.size(); ++i) {
    v1::Code code = v1::OK;
    if (ReadCode(values[i], &code) && code != v1::OK) {
      out->Add(code);
      continue;
    }
    in.report()->Add(
        absl::StrCat(in.At(key), "[", i, "]"),
        absl::StrCat("is ", Show(values[i]),
                     "; allowed: a status code other than OK, as a name or a "
                     "number"));
  }
}

}  // namespace

void ReadRetryPolicy(const JsonFields& in, bool clamp_attempts,
                     v1::RetryPolicy* out) {
  in.CheckKeys({"maxAttempts", "initialBackoff", "maxBackoff",
                "backoffMultiplier", "retryableStatusCodes",
                "perAttemptRecvTimeout"});
  const auto attempts = ReadAttempts(in, clamp_attempts);
  if (attempts) out->set_max_attempts(*attempts);

  v1::RetryPolicy::Backoff* backoff = out->mutable_backoff();
  backoff->set_jitter(v1::RetryPolicy::Backoff::PLUS_MINUS);
  const auto initial = ReadBackoff(in, "initialBackoff");
  const auto max = ReadBackoff(in, "maxBackoff");
  const auto multiplier = ReadMultiplier(in);
  // The stand-in is zero, since no maximum is too small for it.
  backoff->set_initial(initial.value_or("0"));
  if (max) backoff->set_max(*max);
  if (multiplier) backoff->set_multiplier(*multiplier);
  if (initial && max && multiplier && *multiplier >= 1) {
    // A6 allows this: every wait is then the maximum.
    const auto first = core::ParseDuration(*initial);
    const auto most = core::ParseDuration(*max);
    if (first.ok() && most.ok() && *first > *most) backoff->set_initial(*max);
  }

  constexpr char kCodes[] = "retryableStatusCodes";
  constexpr char kAllowed[] = "a list of at least one status code";
  const Value* codes =
      in.Get(kCodes, Kind::kListValue, kAllowed, Need::kRequired);
  if (codes == nullptr) return;
  ReadCodes(in, kCodes, *codes, out->mutable_codes());
  if (codes->list_value().values().empty()) in.Refuse(kCodes, kAllowed);
}

void ReadHedgingPolicy(const JsonFields& in, bool clamp_attempts,
                       v1::HedgingPolicy* out) {
  in.CheckKeys({"maxAttempts", "hedgingDelay", "nonFatalStatusCodes"});
  const auto attempts = ReadAttempts(in, clamp_attempts);
  if (attempts) out->set_max_attempts(*attempts);
  out->set_delay(in.Duration("hedgingDelay", Need::kOptional).value_or("0"));
  constexpr char kCodes[] = "nonFatalStatusCodes";
  const Value* codes =
      in.Get(kCodes, Kind::kListValue, "a list of status codes");
  if (codes != nullptr) {
    ReadCodes(in, kCodes, *codes, out->mutable_non_fatal_codes());
  }
  // A missing list means no codes, and not our default.
  if (out->non_fatal_codes().empty()) out->set_all_codes_fatal(true);
}

void ReadRetryThrottling(const JsonFields& in, v1::ThrottlingPolicy* out) {
  in.CheckKeys({"maxTokens", "tokenRatio"});
  const auto max = ReadTokens(in, "maxTokens", "a number in [0.001, 1000]");
  if (max) out->set_max_tokens(*max);
  const auto ratio = ReadTokens(in, "tokenRatio", "a number of at least 0.001");
  // One success then fills the count, which is never more than full.
  constexpr double kMostTokens = 1'000;
  if (ratio) out->set_token_ratio(std::min(*ratio, kMostTokens));
}

}  // namespace firebreak::engine
