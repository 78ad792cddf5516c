#include "src/engine/policy/policy_compile.h"

#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "src/engine/policy/presets.h"

namespace firebreak::engine {
namespace {

// A key that cannot be the name of a channel.
constexpr char kEveryChannel[] = "\n";

// Names end up in log lines, metric labels and admin replies.
bool IsPrintable(absl::string_view text) {
  return absl::c_all_of(text, [](char c) {
    return absl::ascii_isprint(static_cast<unsigned char>(c));
  });
}

std::string MethodPath(int index) {
  return absl::StrCat("method[", index, "]");
}

}  // namespace

PolicyCompiler::PolicyCompiler(const v1::PolicySet& set, const InfoTree* tree,
                               PolicyErrors* errors)
    : set_(set),
      tree_(tree),
      errors_(errors),
      entries_(static_cast<size_t>(set.method_size())),
      data_(std::make_shared<PolicyTable::Data>()) {}

absl::StatusOr<PolicyTable> PolicyCompiler::Run() {
  if (set_.method_size() == 0 && set_.channel_size() == 0) {
    errors_->Add(PolicyPlace(), "",
                 "has no entry; allowed: at least one method or channel entry");
  }
  FindBases();
  for (int i = 0; i < set_.method_size(); ++i) Resolve(i);
  for (int i = 0; i < set_.method_size(); ++i) AddNames(i);
  AddChannels();
  if (!errors_->empty()) return errors_->ToStatus();
  data_->source = std::make_shared<const v1::PolicySet>(set_);
  return PolicyTable(std::move(data_));
}

void PolicyCompiler::FindBases() {
  absl::flat_hash_map<absl::string_view, int> by_id;
  for (int i = 0; i < set_.method_size(); ++i) {
    const std::string& id = set_.method(i).id();
    if (id.empty()) continue;
    const std::string path = MethodPath(i) + ".id";
    if (!IsPrintable(id)) {
      Report(path,
             absl::StrCat("is ", Quote(id), "; allowed: printable ASCII"));
    }
    const auto [first, is_new] = by_id.emplace(id, i);
    if (!is_new) {
      Report(path,
             absl::StrCat("is ", Quote(id), ", as ", MethodPath(first->second),
                          ".id; allowed: each id once"));
    }
  }
  for (int i = 0; i < set_.method_size(); ++i) {
    CheckPreset(i);
    const std::string& base = set_.method(i).base();
    if (base.empty()) continue;
    const auto found = by_id.find(base);
    if (found != by_id.end()) {
      entries_[i].base = found->second;
    } else {
      Report(MethodPath(i) + ".base",
             absl::StrCat("is ", Quote(base),
                          "; allowed: the id of an entry of this policy"));
    }
  }
}

void PolicyCompiler::CheckPreset(int index) {
  const std::string& preset = set_.method(index).preset();
  if (preset.empty()) return;
  const std::string path = MethodPath(index) + ".preset";
  if (FindPreset(preset) == nullptr) {
    Report(path,
           absl::StrCat("is ", Quote(preset), "; allowed: ",
                        absl::StrJoin(Presets(), ", ",
                                      [](std::string* out, const Preset& each) {
                                        absl::StrAppend(out, each.name);
                                      })));
  }
  if (!set_.method(index).base().empty()) {
    Report(path, absl::StrCat("is ", Quote(preset), " beside a base, ",
                              Quote(set_.method(index).base()),
                              "; allowed: one of the two"));
  }
}

// Builds an entry, and its bases before it. This uses a list and no recursion,
// since a file may have a chain of bases that is longer than the stack.
void PolicyCompiler::Resolve(int index) {
  std::vector<int> path;
  int next = index;
  while (next >= 0 && entries_[next].state == Entry::State::kNew) {
    entries_[next].state = Entry::State::kOnPath;
    path.push_back(next);
    next = entries_[next].base;
  }
  if (next >= 0 && entries_[next].state == Entry::State::kOnPath) {
    // The cycle is cut where it closes, so that its entries are still checked.
    const int last = path.back();
    constexpr size_t kShown = 10;
    std::string cycle;
    size_t shown = 0;
    for (auto it = absl::c_find(path, next); it != path.end() && shown < kShown;
         ++it, ++shown) {
      absl::StrAppend(&cycle, Quote(set_.method(*it).id()), " -> ");
      if (shown + 1 == kShown) absl::StrAppend(&cycle, "... -> ");
    }
    Report(MethodPath(last) + ".base",
           absl::StrCat("is ", Quote(set_.method(last).base()),
                        ", which closes the cycle ", cycle,
                        Quote(set_.method(next).id()), "; allowed: no cycle"));
    entries_[last].base = -1;
  }
  for (auto it = path.rbegin(); it != path.rend(); ++it) Build(*it);
}

void PolicyCompiler::Build(int index) {
  const v1::MethodPolicy& policy = set_.method(index);
  Entry& entry = entries_[index];
  entry.state = Entry::State::kDone;
  if (entry.base >= 0) entry.draft = entries_[entry.base].draft;

  const std::string prefix = MethodPath(index) + ".";
  core::FieldErrors unreadable;
  if (const Preset* const preset = FindPreset(policy.preset())) {
    v1::MethodPolicy built_in;
    (void)google::protobuf::TextFormat::ParseFromString(
        std::string(preset->text), &built_in);
    ApplyEntry(built_in, &entry.draft, &unreadable);
  }
  ApplyEntry(policy, &entry.draft, &unreadable);
  for (const core::FieldError& error : unreadable) {
    Report(prefix + error.field, error.problem);
  }
  core::MethodOptions options = Finish(entry.draft, &entry.found);
  for (const core::FieldError& error : entry.found) {
    if (!Inherits(index, error)) Report(prefix + error.field, error.problem);
  }
  options.policy = NameOf(index);
  entry.options =
      std::make_shared<const core::MethodOptions>(std::move(options));
}

bool PolicyCompiler::Inherits(int index, const core::FieldError& error) const {
  const int base = entries_[index].base;
  if (base < 0) return false;
  const bool base_has_it =
      absl::c_any_of(entries_[base].found, [&](const core::FieldError& other) {
        return other.field == error.field && other.problem == error.problem;
      });
  return base_has_it &&
         !Locate(set_.method(index), nullptr, error.field).is_set;
}

void PolicyCompiler::CheckName(const std::string& path,
                               const v1::MethodPolicy::Name& name) {
  const auto text = [&](const char* field, const std::string& value) {
    if (IsPrintable(value)) return;
    Report(absl::StrCat(path, ".", field),
           absl::StrCat("is ", Quote(value), "; allowed: printable ASCII"));
  };
  text("channel", name.channel());
  text("service", name.service());
  text("method", name.method());
  if (!name.method().empty() && name.service().empty()) {
    Report(path + ".method",
           absl::StrCat("is ", Quote(name.method()),
                        " without a service; allowed: only beside one"));
  }
  const std::string& service = name.service();
  if (!service.empty() && (service.front() == '/' || service.back() == '/')) {
    Report(path + ".service",
           absl::StrCat("is ", Quote(service),
                        "; allowed: the full name without slashes around it, "
                        "as \"shop.v1.PaymentService\""));
  }
  if (name.method().find('/') != std::string::npos) {
    Report(path + ".method",
           absl::StrCat("is ", Quote(name.method()),
                        "; allowed: the method's own name, as \"Charge\""));
  }
}

void PolicyCompiler::AddNames(int index) {
  const v1::MethodPolicy& policy = set_.method(index);
  if (policy.name_size() == 0 && policy.id().empty()) {
    Report(MethodPath(index),
           "has neither name nor id and so no use; allowed: a name to match "
           "calls (name {} for all), or an id to be a base");
  }
  for (int i = 0; i < policy.name_size(); ++i) {
    const v1::MethodPolicy::Name& name = policy.name(i);
    const std::string path = absl::StrCat(MethodPath(index), ".name[", i, "]");
    CheckName(path, name);
    PolicyTable::Name key(name.channel(), name.service(), name.method());
    const auto [first, is_new] = first_names_.emplace(key, path);
    if (!is_new) {
      Report(path, absl::StrCat("is the same as ", first->second,
                                "; allowed: each name once"));
    }
    data_->methods.emplace(std::move(key), entries_[index].options);
    CheckShared(index, name.channel());
  }
}

// If two entries share a channel's breaker and only one of them is in SHADOW,
// the first call of a process would decide whether it refuses calls.
void PolicyCompiler::CheckShared(int index, const std::string& channel) {
  const core::MethodOptions& options = *entries_[index].options;
  if (!options.SharesBreaker()) return;
  const bool enforces =
      options.breaker->mode == core::BreakerOptions::Mode::kEnforce;
  // An entry for any channel conflicts with all others.
  Sharers& every = sharers_[kEveryChannel];
  Sharers& same = sharers_[channel];
  const Sharers& any = sharers_[""];
  for (const int other : {same.entry[!enforces], any.entry[!enforces],
                          channel.empty() ? every.entry[!enforces] : -1}) {
    if (other < 0) continue;
    Report(MethodPath(index) + ".breaker.mode",
           absl::StrCat("differs from that of ", Quote(NameOf(other)),
                        ", with which it shares the breaker of a channel "
                        "(scope: CHANNEL); allowed: one mode for both"));
    return;
  }
  same.entry[enforces] = index;
  every.entry[enforces] = index;
}

void PolicyCompiler::AddChannels() {
  for (int i = 0; i < set_.channel_size(); ++i) {
    const v1::ChannelPolicy& policy = set_.channel(i);
    const std::string path = absl::StrCat("channel[", i, "]");
    if (!IsPrintable(policy.name())) {
      Report(path + ".name", absl::StrCat("is ", Quote(policy.name()),
                                          "; allowed: printable ASCII"));
    }
    const auto [first, is_new] = first_channels_.emplace(policy.name(), path);
    if (!is_new) {
      Report(path + ".name",
             absl::StrCat("is ", Quote(policy.name()), ", as ", first->second,
                          ".name; allowed: each channel once"));
    }
    core::FieldErrors found;
    data_->budgets.emplace(policy.name(), ToBudget(policy, &found));
    data_->admissions.emplace(policy.name(), ToAdmission(policy, &found));
    for (const core::FieldError& error : found) {
      Report(absl::StrCat(path, ".", error.field), error.problem);
    }
  }
}

std::string PolicyCompiler::NameOf(int index) const {
  const std::string& id = set_.method(index).id();
  return id.empty() ? MethodPath(index) : id;
}

void PolicyCompiler::Report(const std::string& path,
                            absl::string_view problem) {
  errors_->Add(Locate(set_, tree_, path), path, problem);
}

}  // namespace firebreak::engine
