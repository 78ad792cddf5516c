#include "tools/firebreakctl/live/fleet_json.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <tuple>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "src/core/base/printable.h"
#include "tools/firebreakctl/show/words.h"

namespace firebreak::ctl {
namespace {

int64_t Micros(const google::protobuf::Duration& d) { return Nanos(d) / 1'000; }

// JSON has no infinity, but a target may send one.
std::string Number(double value) {
  return std::isfinite(value) ? absl::StrFormat("%.4g", value) : "0";
}

double Share(int64_t part, int64_t whole) {
  return whole <= 0 ? 0
                    : static_cast<double>(part) / static_cast<double>(whole);
}

int64_t Sum(const google::protobuf::RepeatedField<int64_t>& values) {
  return std::accumulate(values.begin(), values.end(), int64_t{0});
}

// Builds {"name": value, ...}.
class Object {
 public:
  Object& Text(const char* name, absl::string_view value) {
    return Raw(name, JsonQuoted(value));
  }
  Object& Int(const char* name, int64_t value) {
    return Raw(name, absl::StrCat(value));
  }
  Object& Real(const char* name, double value) {
    return Raw(name, Number(value));
  }
  Object& Bool(const char* name, bool value) {
    return Raw(name, value ? "true" : "false");
  }
  Object& Raw(const char* name, absl::string_view json) {
    absl::StrAppend(&text_, text_.empty() ? "{" : ",", "\"", name, "\":", json);
    return *this;
  }
  std::string Done() const { return text_ + "}"; }

 private:
  std::string text_;
};

std::string BreakerJson(const v1::Breaker& breaker) {
  Object out;
  out.Text("target", breaker.target())
      .Text("state", StateName(breaker.state()))
      .Int("since", Millis(breaker.since()))
      .Text("cause", breaker.cause())
      .Bool("shadow", breaker.shadow());
  if (breaker.checks_health()) out.Text("check", breaker.health());
  if (breaker.has_probe_due()) out.Int("probe", Millis(breaker.probe_due()));
  if (breaker.has_override_end()) {
    out.Int("overrideEnd", Millis(breaker.override_end()));
  }
  return out.Done();
}

// The quantiles of the last 30 s if they are known.
std::pair<int64_t, int64_t> Latencies(const v1::Method& method) {
  const v1::LatencyModel& model = method.latency_model();
  if (model.has_p50() && model.has_p99()) {
    return {Micros(model.p50()), Micros(model.p99())};
  }
  return {0, 0};
}

}  // namespace

std::string JsonQuoted(absl::string_view text) {
  // UTF-8 stays as it is, since the page requests a method by its name. A name
  // that came over gRPC is always UTF-8.
  const bool is_utf8 = core::IsUtf8(text);
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || c == '<' || c == '>' || c == '&' ||
               byte == 0x7F) {
      absl::StrAppendFormat(&out, "\\u%04x", byte);
    } else {
      out += byte < 0x80 || is_utf8 ? c : '?';
    }
  }
  return out + "\"";
}

void MethodHistory::Add(const v1::Method& method,
                        const google::protobuf::Timestamp& as_of) {
  const int64_t now = Millis(as_of);
  if (!samples_.empty() && now < samples_.back().at_ms + kStepMs &&
      now >= samples_.back().at_ms) {
    return;
  }
  Sample sample;
  sample.at_ms = now;
  std::tie(sample.p50_us, sample.p99_us) = Latencies(method);
  sample.first = method.attempts().first();
  sample.retries = method.attempts().retries();
  sample.hedges = method.attempts().hedges();
  samples_.push_back(sample);
  if (samples_.size() > kSamples) samples_.pop_front();
}

const MethodHistory::Sample* MethodHistory::MinuteAgo() const {
  constexpr size_t kBack = 60'000 / kStepMs;
  if (samples_.empty()) return nullptr;
  return &samples_[samples_.size() - std::min(samples_.size(), kBack)];
}

double MethodHistory::Retried(const v1::Method& method) const {
  const Sample* const then = MinuteAgo();
  if (then == nullptr) return 0;
  return Share(method.attempts().retries() - then->retries,
               method.attempts().first() - then->first);
}

double MethodHistory::Hedged(const v1::Method& method) const {
  const Sample* const then = MinuteAgo();
  if (then == nullptr) return 0;
  return Share(method.attempts().hedges() - then->hedges,
               method.attempts().first() - then->first);
}

std::string MethodJson(const v1::Method& method, const MethodHistory& history) {
  const v1::CallsNow& now = method.recent().now();
  const int64_t started = Sum(method.recent().started());
  const auto [p50, p99] = Latencies(method);
  Object out;
  out.Text("engine", method.engine())
      .Text("channel", method.channel())
      .Text("method", method.method())
      .Text("policy", method.policy())
      .Real("score", std::round(method.health().score()))
      .Int("level", method.health().level())
      .Raw("breakers",
           absl::StrCat("[",
                        absl::StrJoin(method.breakers(), ",",
                                      [](std::string* text, const auto& each) {
                                        absl::StrAppend(text,
                                                        BreakerJson(each));
                                      }),
                        "]"))
      .Real("rate", now.calls_per_second())
      .Real("failed", Share(Sum(method.recent().failures()), started))
      .Real("refused", Share(Sum(method.recent().rejected()), started))
      .Real("retried", history.Retried(method))
      .Real("hedged", history.Hedged(method))
      .Int("p50", p50)
      .Int("p99", p99)
      .Int("inFlight", method.calls().in_flight())
      .Int("queued", method.bulkhead().queued())
      .Int("queueLimit", method.bulkhead().queue_limit())
      .Real("tokens", method.budget().tokens())
      .Real("burst", method.budget().burst());
  return out.Done();
}

std::string WithHistory(const std::string& json, const MethodHistory& history) {
  const std::string pairs = absl::StrJoin(
      history.samples(), ",",
      [](std::string* text, const MethodHistory::Sample& each) {
        absl::StrAppend(text, "[", each.p50_us, ",", each.p99_us, "]");
      });
  return absl::StrCat(json.substr(0, json.size() - 1), ",\"history\":[", pairs,
                      "]}");
}

std::string EventJson(const v1::Event& event) {
  std::string kind = v1::EventKind_Name(event.kind());
  const std::string prefix = "EVENT_KIND_";
  kind = kind.empty() ? absl::StrCat(static_cast<int>(event.kind()))
                      : absl::AsciiStrToLower(kind.substr(prefix.size()));
  const auto state = [](v1::BreakerState value) {
    return value == v1::BREAKER_STATE_UNSPECIFIED ? "" : StateName(value);
  };
  return Object()
      .Int("seq", event.sequence())
      .Int("time", Millis(event.time()))
      .Text("kind", kind)
      .Text("channel", event.channel())
      .Text("method", event.method())
      .Text("target", event.target())
      .Text("from", state(event.from()))
      .Text("to", state(event.to()))
      .Text("cause", event.cause())
      .Text("actor", event.actor())
      .Text("action", event.action())
      .Bool("refused", event.refused())
      .Bool("shadow", event.shadow())
      .Done();
}

std::string ToJson(const TargetFrame& frame) {
  return Object()
      .Text("target", frame.target)
      .Text("error", frame.error)
      .Int("asOf", Millis(frame.as_of))
      .Bool("full", frame.is_full)
      .Raw("methods", absl::StrCat("[", absl::StrJoin(frame.methods, ","), "]"))
      .Raw("events", absl::StrCat("[", absl::StrJoin(frame.events, ","), "]"))
      .Done();
}

}  // namespace firebreak::ctl
