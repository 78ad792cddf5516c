#include "src/engine/policy/lint_names.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "firebreak/v1/policy.pb.h"
#include "google/protobuf/descriptor.h"
#include "src/core/base/nearest.h"
#include "src/engine/policy/lint_rules.h"
#include "src/engine/policy/presets.h"

namespace firebreak::engine {
namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::ServiceDescriptor;
using NameSet = absl::btree_set<std::string>;

LintFinding NameError(std::string where, std::string problem, std::string fix) {
  LintFinding finding = Warning(std::move(problem), std::move(fix));
  finding.severity = LintFinding::Severity::kError;
  finding.where = std::move(where);
  return finding;
}

LintFinding Wildcard(std::string where, absl::string_view field) {
  return NameError(std::move(where),
                   absl::StrCat("has a \"*\" in ", field,
                                ", which no call has: there are no wildcards"),
                   absl::StrCat("leave ", field, " out, which means any"));
}

// Returns the text without its digits: "shard1" and "shard2" are no
// misspellings of each other.
std::string WithoutDigits(absl::string_view text) {
  std::string left(text);
  left.erase(std::remove_if(left.begin(), left.end(),
                            [](char c) { return absl::ascii_isdigit(c); }),
             left.end());
  return left;
}

// Finds what names most likely are misspellings of.
class Speller {
 public:
  // Keeps a reference to `known`.
  explicit Speller(const NameSet& known) : known_(known) {}

  // Returns "" if there is no such name.
  const std::string& MeantBy(const std::string& wanted) {
    const auto [entry, is_new] = answers_.try_emplace(wanted);
    if (is_new && known_.count(wanted) == 0) entry->second = Search(wanted);
    return entry->second;
  }

 private:
  // The most comparisons in all, which take a moment: a policy may have any
  // number of names.
  static constexpr int64_t kMostCompared = 200'000;

  std::string Search(const std::string& wanted) {
    compared_ += static_cast<int64_t>(known_.size());
    if (compared_ > kMostCompared) return "";
    // Allows a typing error or two, and no more.
    int least =
        std::min(4, std::max(2, 1 + static_cast<int>(wanted.size()) / 8));
    std::string meant;
    for (const std::string& each : known_) {
      if (absl::EndsWith(each, absl::StrCat(".", wanted))) return each;
      const int distance = core::EditDistance(wanted, each, least);
      // In a short name, one wrong letter is a large part of it.
      if (distance >= least ||
          static_cast<size_t>(distance) * 3 > wanted.size() ||
          WithoutDigits(each) == WithoutDigits(wanted)) {
        continue;
      }
      least = distance;
      meant = each;
    }
    return meant;
  }

  const NameSet& known_;
  int64_t compared_ = 0;
  absl::flat_hash_map<std::string, std::string> answers_;
};

const ServiceDescriptor* FindLinked(absl::string_view service) {
  return DescriptorPool::generated_pool()->FindServiceByName(
      std::string(service));
}

// Adds a linked service and those of the same file. Protobuf does not list all
// services that are linked.
void AddLinked(absl::string_view service, NameSet* known) {
  const ServiceDescriptor* const linked = FindLinked(service);
  if (linked == nullptr) return;
  for (int i = 0; i < linked->file()->service_count(); ++i) {
    known->emplace(linked->file()->service(i)->full_name());
  }
}

// The entries that have a breaker and name all methods of a service, or all
// methods there are: by service, then by channel.
using WideOnes = absl::flat_hash_map<
    std::string, absl::btree_map<std::string, const core::MethodOptions*>>;

WideOnes FindWide(const PolicyTable& policy) {
  WideOnes wide;
  policy.ForEachName([&](absl::string_view channel, absl::string_view service,
                         absl::string_view method,
                         const core::MethodOptions& options) {
    if (!method.empty() || !core::IsOn(options.breaker)) return;
    wide[service].emplace(channel, &options);
  });
  return wide;
}

// Returns the entry for `service` that applies to calls of `channel`, or any of
// them if `channel` is empty. Returns null if there is none.
const core::MethodOptions* Hidden(const WideOnes& wide,
                                  absl::string_view service,
                                  absl::string_view channel) {
  const auto found = wide.find(service);
  if (found == wide.end()) return nullptr;
  const auto& by_channel = found->second;
  if (channel.empty()) return by_channel.begin()->second;
  for (absl::string_view each : {channel, absl::string_view()}) {
    const auto one = by_channel.find(each);
    if (one != by_channel.end()) return one->second;
  }
  return nullptr;
}

}  // namespace

void JudgeEntries(const PolicyTable& policy,
                  std::vector<LintFinding>* findings) {
  absl::flat_hash_set<absl::string_view> bases;
  for (const auto& entry : policy.source()->method()) {
    bases.insert(entry.base());
  }
  for (const auto& entry : policy.source()->method()) {
    if (entry.name_size() > 0 || bases.contains(entry.id())) continue;
    // `firebreakctl presets` prints such entries, which are meant as bases.
    if (FindPreset(entry.id()) != nullptr) continue;
    findings->push_back(NameError(
        entry.id(), "has no name, and is nobody's base, so it is for no call",
        "say name { service: ... }, or name {} for every call"));
  }
  policy.ForEachName([&](absl::string_view channel, absl::string_view service,
                         absl::string_view method,
                         const core::MethodOptions& options) {
    const std::pair<const char*, absl::string_view> parts[] = {
        {"channel", channel}, {"service", service}, {"method", method}};
    for (const auto& [field, text] : parts) {
      if (!absl::StrContains(text, '*')) continue;
      findings->push_back(
          Wildcard(PlaceOf(channel, service, method, options), field));
    }
  });
  for (const auto& channel : policy.source()->channel()) {
    if (!absl::StrContains(channel.name(), '*')) continue;
    findings->push_back(
        Wildcard(absl::StrCat("channel \"", channel.name(), "\""), "name"));
  }
}

void JudgeHidden(const PolicyTable& policy,
                 std::vector<LintFinding>* findings) {
  const WideOnes wide = FindWide(policy);
  if (wide.empty()) return;
  policy.ForEachName([&](absl::string_view channel, absl::string_view service,
                         absl::string_view method,
                         const core::MethodOptions& options) {
    // If the entry says so itself, its author means it.
    if (options.breaker.has_value() || (service.empty() && channel.empty())) {
      return;
    }
    const core::MethodOptions* hidden =
        method.empty() ? nullptr : Hidden(wide, service, channel);
    if (hidden == nullptr) hidden = Hidden(wide, "", channel);
    if (hidden == nullptr) return;
    LintFinding finding = Warning(
        absl::StrCat("has no breaker, and hides that of ", hidden->policy,
                     ", which is for its calls too: the entry that wins "
                     "applies whole"),
        absl::StrCat("give it a breaker, or base: \"", hidden->policy,
                     "\"; or say breaker { mode: DISABLED }, if none is "
                     "meant"));
    finding.where = PlaceOf(channel, service, method, options);
    findings->push_back(std::move(finding));
  });
}

void JudgeSpelling(const PolicyTable& policy, const Traffic* traffic,
                   std::vector<LintFinding>* findings) {
  NameSet channels;
  NameSet services;
  if (traffic != nullptr) {
    channels.insert(traffic->channels.begin(), traffic->channels.end());
    services.insert(traffic->services.begin(), traffic->services.end());
  }
  for (const std::string& seen : NameSet(services)) AddLinked(seen, &services);
  policy.ForEachName([&](absl::string_view /*channel*/,
                         absl::string_view service, absl::string_view,
                         const core::MethodOptions&) {
    if (!service.empty()) AddLinked(service, &services);
  });
  Speller channel_speller(channels);
  Speller service_speller(services);
  policy.ForEachName([&](absl::string_view channel, absl::string_view service,
                         absl::string_view method,
                         const core::MethodOptions& options) {
    const auto judge = [&](const char* kind, absl::string_view name,
                           Speller* speller) {
      if (name.empty() || absl::StrContains(name, '*')) return;
      const std::string& meant = speller->MeantBy(std::string(name));
      if (meant.empty()) return;
      LintFinding finding =
          Warning(absl::StrCat("is for the ", kind, " \"", name,
                               "\", of which this process knows nothing; it "
                               "knows \"",
                               meant, "\""),
                  absl::StrCat("say \"", meant, "\", if that is meant"));
      finding.where = PlaceOf(channel, service, method, options);
      findings->push_back(std::move(finding));
    };
    judge("channel", channel, &channel_speller);
    judge("service", service, &service_speller);
  });
}

}  // namespace firebreak::engine
