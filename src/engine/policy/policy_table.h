// A compiled policy: which options hold for which call.
//
//   std::shared_ptr<const core::MethodOptions> options =
//       table.Find("payment", "/shop.v1.PaymentService/Charge");
//   if (options == nullptr) ...   // no entry is for this call: leave it alone
//
// Made by the functions of policy.h only; what is in it has passed every
// check. Immutable, so safe to use from any thread. A copy shares the data.
#ifndef FIREBREAK_SRC_ENGINE_POLICY_POLICY_TABLE_H_
#define FIREBREAK_SRC_ENGINE_POLICY_POLICY_TABLE_H_

#include <cstddef>
#include <memory>
#include <string>
#include <tuple>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/hash/hash.h"
#include "absl/strings/string_view.h"
#include "src/core/options.h"

namespace firebreak::v1 {
class PolicySet;
}

namespace firebreak::engine {

class PolicyTable {
 public:
  // Matches no call, and gives every channel the default budget. Its source is
  // an empty policy.
  PolicyTable();
  // No move: a moved-from table would have no data.
  PolicyTable(const PolicyTable&) = default;
  PolicyTable& operator=(const PolicyTable&) = default;

  // The options of the winning entry, which applies whole: an entry that names
  // the method wins over one that names the service, that over one that names
  // only the channel, and that over one for everything; among equals the one
  // that names the channel. nullptr when no entry is for this call. `method`
  // is the path as gRPC has it, "/package.Service/Method". At most six lookups
  // and no allocation; entries with several names share one object.
  std::shared_ptr<const core::MethodOptions> Find(
      absl::string_view channel, absl::string_view method) const;
  // What holds for a call: the same, but for the methods of health checks, of
  // reflection and of our own admin service. Their failures say nothing about
  // the service, and a breaker on them would take a node out that only its
  // health check was slow on; so for them it is FindNamed().
  std::shared_ptr<const core::MethodOptions> FindForCall(
      absl::string_view channel, absl::string_view method) const;
  // As Find(), among the entries that name the method's service only.
  std::shared_ptr<const core::MethodOptions> FindNamed(
      absl::string_view channel, absl::string_view method) const;

  // Whether an entry names just this method, for this channel or any.
  bool NamesMethod(absl::string_view channel, absl::string_view method) const;

  // Every name of the policy and the options of its entry, in no order. An
  // empty part is any.
  using Visitor = absl::FunctionRef<void(
      absl::string_view channel, absl::string_view service,
      absl::string_view method, const core::MethodOptions& options)>;
  void ForEachName(Visitor visit) const;

  // What it was compiled from. Never null.
  const std::shared_ptr<const v1::PolicySet>& source() const {
    return data_->source;
  }

  // The budget of the channel's own entry, else that of the entry without a
  // name, else the defaults.
  core::BudgetOptions BudgetFor(absl::string_view channel) const;
  // Likewise what calls of the channel pass that their method has not its own
  // of; nothing by default.
  core::AdmissionOptions AdmissionFor(absl::string_view channel) const;

 private:
  friend class PolicyCompiler;

  std::shared_ptr<const core::MethodOptions> FindAmong(
      absl::string_view channel, absl::string_view method,
      size_t candidates) const;

  // Channel, service, method; empty = any.
  using Name = std::tuple<std::string, std::string, std::string>;
  using NameView =
      std::tuple<absl::string_view, absl::string_view, absl::string_view>;
  struct NameHash {
    using is_transparent = void;
    size_t operator()(const NameView& name) const { return absl::HashOf(name); }
  };
  struct NameEq {
    using is_transparent = void;
    bool operator()(const NameView& a, const NameView& b) const {
      return a == b;
    }
  };
  struct Data {
    absl::flat_hash_map<Name, std::shared_ptr<const core::MethodOptions>,
                        NameHash, NameEq>
        methods;
    absl::flat_hash_map<std::string, core::BudgetOptions> budgets;
    absl::flat_hash_map<std::string, core::AdmissionOptions> admissions;
    std::shared_ptr<const v1::PolicySet> source;  // never null
  };

  explicit PolicyTable(std::shared_ptr<const Data> data);
  static std::shared_ptr<const Data> NoData();

  std::shared_ptr<const Data> data_;  // never null
};

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_POLICY_POLICY_TABLE_H_
