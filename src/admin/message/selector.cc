#include "src/admin/message/selector.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "src/admin/message/text.h"

namespace firebreak::admin {
namespace {

using Runtimes = std::vector<std::shared_ptr<engine::MethodRuntime>>;

// The most names in a message.
constexpr size_t kMostListed = 5;

bool IsPathOf(absl::string_view wanted, absl::string_view path) {
  return absl::StripPrefix(wanted, "/") == absl::StripPrefix(path, "/");
}

std::vector<core::Breaker*> BreakersOf(const engine::MethodRuntime& runtime,
                                       const std::string& target) {
  std::vector<core::Breaker*> breakers = runtime.breakers();
  if (target.empty()) return breakers;
  breakers.erase(std::remove_if(breakers.begin(), breakers.end(),
                                [&](const core::Breaker* breaker) {
                                  return breaker->identity().target != target;
                                }),
                 breakers.end());
  return breakers;
}

// The breakers that a channel's methods share.
std::vector<core::Breaker*> SharedOf(const engine::MethodRuntime& runtime,
                                     const std::string& target) {
  std::vector<core::Breaker*> breakers = BreakersOf(runtime, target);
  breakers.erase(std::remove_if(breakers.begin(), breakers.end(),
                                [](const core::Breaker* breaker) {
                                  return breaker->identity().method !=
                                         engine::kAllMethods;
                                }),
                 breakers.end());
  return breakers;
}

std::vector<std::string> Listed(const std::set<std::string>& names) {
  return {names.begin(), names.end()};
}

absl::Status NotFound(absl::string_view kind, const std::string& wanted,
                      const std::set<std::string>& known) {
  std::string hint = NearestHint(wanted, Listed(known));
  if (known.empty()) hint = "; no method with a policy has been called yet";
  return absl::NotFoundError(
      absl::StrCat("no ", kind, " ", Quote(wanted), hint));
}

absl::Status Ambiguous(const std::string& wanted,
                       const std::set<std::string>& fitting) {
  std::vector<std::string> listed = Listed(fitting);
  const size_t left_out = listed.size() - std::min(listed.size(), kMostListed);
  listed.resize(listed.size() - left_out);
  return absl::InvalidArgumentError(absl::StrCat(
      "selector.method: is ", Quote(wanted), "; allowed one of ",
      absl::StrJoin(listed, ", ",
                    [](std::string* out, const std::string& name) {
                      absl::StrAppend(out, Quote(name));
                    }),
      left_out > 0 ? absl::StrCat(" and ", left_out, " more") : ""));
}

// Keeps only those of `runtimes` that are of the method `wanted`.
absl::Status KeepMethod(const std::string& wanted, Runtimes* runtimes) {
  std::set<std::string> known;
  std::set<std::string> fitting;
  bool exact = false;
  for (const auto& runtime : *runtimes) {
    known.insert(runtime->method);
    exact = exact || IsPathOf(wanted, runtime->method);
    if (NamesMethod(wanted, runtime->method)) fitting.insert(runtime->method);
  }
  if (fitting.empty()) return NotFound("method", wanted, known);
  // A full name means exactly that method, even if it is the end of another
  // name.
  if (!exact && fitting.size() > 1) return Ambiguous(wanted, fitting);
  runtimes->erase(
      std::remove_if(runtimes->begin(), runtimes->end(),
                     [&](const auto& runtime) {
                       return exact ? !IsPathOf(wanted, runtime->method)
                                    : fitting.count(runtime->method) == 0;
                     }),
      runtimes->end());
  return absl::OkStatus();
}

// Keeps only those of `runtimes` that are of the channel, if one is given.
absl::Status KeepChannel(const std::string& wanted, Runtimes* runtimes) {
  if (wanted.empty()) return absl::OkStatus();
  std::set<std::string> known;
  for (const auto& runtime : *runtimes) known.insert(runtime->channel);
  if (known.count(wanted) == 0) return NotFound("channel", wanted, known);
  runtimes->erase(std::remove_if(runtimes->begin(), runtimes->end(),
                                 [&](const auto& runtime) {
                                   return runtime->channel != wanted;
                                 }),
                  runtimes->end());
  return absl::OkStatus();
}

}  // namespace

EventFilter::Places EventFilter::SharedPlaces() const {
  Places places;
  for (const auto& runtime : core_->Methods()) {
    if (!NamesMethod(selector_->method(), runtime->method)) continue;
    for (const core::Breaker* breaker :
         SharedOf(*runtime, selector_->target())) {
      places.emplace(runtime->channel, breaker->identity().target);
    }
  }
  return places;
}

bool EventFilter::Takes(const core::Event& event) {
  if ((!selector_->channel().empty() &&
       selector_->channel() != event.channel) ||
      (!selector_->target().empty() && selector_->target() != event.target)) {
    return false;
  }
  if (NamesMethod(selector_->method(), event.method)) return true;
  if (event.method != engine::kAllMethods) return false;
  if (!shared_.has_value()) shared_ = SharedPlaces();
  return shared_->count({event.channel, event.target}) > 0;
}

bool NamesMethod(absl::string_view wanted, absl::string_view path) {
  if (wanted.empty() || IsPathOf(wanted, path)) return true;
  if (!absl::ConsumeSuffix(&path, wanted) || path.empty()) return false;
  return path.back() == '/' || path.back() == '.';
}

absl::Status CheckChannel(const engine::EngineCore& core,
                          const std::string& channel) {
  if (channel.empty()) return absl::OkStatus();
  std::set<std::string> known;
  for (std::string& name : core.channels()->Names()) {
    known.insert(std::move(name));
  }
  if (known.count(channel) > 0) return absl::OkStatus();
  const std::string hint = NearestHint(channel, Listed(known));
  return absl::NotFoundError(
      absl::StrCat("no channel ", Quote(channel),
                   hint.empty() ? "; none has been made yet" : hint));
}

bool Selects(const v1::MethodSelector& selector,
             const engine::MethodRuntime& runtime) {
  return (selector.channel().empty() ||
          selector.channel() == runtime.channel) &&
         NamesMethod(selector.method(), runtime.method);
}

std::vector<Selected> SelectAll(const engine::EngineCore& core,
                                const v1::MethodSelector& selector) {
  std::vector<Selected> all;
  for (auto& runtime : core.Methods()) {
    if (!Selects(selector, *runtime)) continue;
    std::vector<core::Breaker*> breakers =
        BreakersOf(*runtime, selector.target());
    if (!selector.target().empty() && breakers.empty()) continue;
    all.push_back({runtime, std::move(breakers)});
  }
  return all;
}

absl::StatusOr<std::vector<Selected>> SelectMethod(
    const engine::EngineCore& core, const v1::MethodSelector& selector) {
  if (selector.method().empty()) {
    return absl::InvalidArgumentError(
        "selector.method: is empty; allowed \"/package.Service/Method\" or the "
        "end of it");
  }
  Runtimes runtimes = core.Methods();
  absl::Status kept = KeepChannel(selector.channel(), &runtimes);
  if (kept.ok()) kept = KeepMethod(selector.method(), &runtimes);
  if (!kept.ok()) return kept;

  std::vector<Selected> selected;
  std::set<std::string> targets;
  for (const auto& runtime : runtimes) {
    for (core::Breaker* breaker : runtime->breakers()) {
      targets.insert(breaker->identity().target);
    }
    std::vector<core::Breaker*> breakers =
        BreakersOf(*runtime, selector.target());
    if (!selector.target().empty() && breakers.empty()) continue;
    selected.push_back({runtime, std::move(breakers)});
  }
  if (selected.empty()) return NotFound("target", selector.target(), targets);
  return selected;
}

absl::StatusOr<std::vector<Selected>> SelectShared(
    const engine::EngineCore& core, const v1::MethodSelector& selector) {
  Runtimes runtimes = core.Methods();
  const absl::Status kept = KeepChannel(selector.channel(), &runtimes);
  if (!kept.ok()) return kept;
  std::vector<Selected> selected;
  std::set<core::Breaker*> known;
  for (const auto& runtime : runtimes) {
    Selected each{runtime, {}};
    for (core::Breaker* breaker : SharedOf(*runtime, selector.target())) {
      if (known.insert(breaker).second) each.breakers.push_back(breaker);
    }
    if (!each.breakers.empty()) selected.push_back(std::move(each));
  }
  if (selected.empty()) {
    return absl::NotFoundError(
        "no breaker that all methods of a channel share (scope: CHANNEL) is "
        "known there");
  }
  return selected;
}

}  // namespace firebreak::admin
