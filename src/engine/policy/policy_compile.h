// Compiles a PolicySet to a PolicyTable: names, inheritance, ranges.
//
//   absl::StatusOr<PolicyTable> table =
//       PolicyCompiler(set, &tree, &errors).Run();
//
// Part of policy.h, which is what others include. One compiler compiles one
// policy, once; it keeps references to what it is given. Not thread-safe.
#ifndef FIREBREAK_SRC_ENGINE_POLICY_POLICY_COMPILE_H_
#define FIREBREAK_SRC_ENGINE_POLICY_POLICY_COMPILE_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "firebreak/v1/policy.pb.h"
#include "google/protobuf/text_format.h"
#include "src/core/options.h"
#include "src/engine/policy/policy_draft.h"
#include "src/engine/policy/policy_errors.h"
#include "src/engine/policy/policy_table.h"

namespace firebreak::engine {

class PolicyCompiler {
 public:
  using InfoTree = google::protobuf::TextFormat::ParseInfoTree;

  // `tree` has the line of each field. It is null if `set` is not from a text.
  // `errors` may have some already, and gets all that are found.
  PolicyCompiler(const v1::PolicySet& set, const InfoTree* tree,
                 PolicyErrors* errors);

  // Returns the table, or INVALID_ARGUMENT if `errors` is not empty.
  absl::StatusOr<PolicyTable> Run();

 private:
  // An entry that is being compiled. `base` is the index of its base, or -1.
  struct Entry {
    enum class State { kNew, kOnPath, kDone };
    State state = State::kNew;
    int base = -1;
    PolicyDraft draft;
    core::FieldErrors found;  // by the checks, inherited ones included
    std::shared_ptr<const core::MethodOptions> options;
  };

  void FindBases();
  void CheckPreset(int index);
  void Resolve(int index);
  void Build(int index);
  void CheckName(const std::string& path, const v1::MethodPolicy::Name& name);
  void AddNames(int index);
  void CheckShared(int index, const std::string& channel);
  void AddChannels();

  // Whether entry `index` inherits this very error, from a base that has
  // reported it.
  bool Inherits(int index, const core::FieldError& error) const;
  std::string NameOf(int index) const;
  void Report(const std::string& path, absl::string_view problem);

  const v1::PolicySet& set_;
  const InfoTree* const tree_;
  PolicyErrors* const errors_;
  std::vector<Entry> entries_;
  std::shared_ptr<PolicyTable::Data> data_;
  // Where each name and each channel appeared first, for the error about a
  // second one.
  absl::flat_hash_map<PolicyTable::Name, std::string> first_names_;
  absl::flat_hash_map<std::string, std::string> first_channels_;
  // For each channel the index of an entry that shares its breaker there, or
  // -1: [0] for one in SHADOW, [1] for one that refuses calls.
  struct Sharers {
    int entry[2] = {-1, -1};
  };
  std::map<std::string, Sharers> sharers_;
};

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_POLICY_POLICY_COMPILE_H_
