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
  // A table that matches no call and gives every channel the default budget.
  // Its source is an empty policy.
  PolicyTable();
  // Copyable but not movable: a moved-from table would have no data.
  PolicyTable(const PolicyTable&) = default;
  PolicyTable& operator=(const PolicyTable&) = default;

  // Returns the options of the entry that wins, which applies as a whole. An
  // entry that names the method wins over one that names the service, that over
  // one that names only the channel, and that over one for everything. Among
  // equals the one that names the channel wins. Returns null if no entry is for
  // this call. `method` is the path as gRPC has it, "/package.Service/Method".
  // This takes at most six lookups and no allocation, and entries with several
  // names share one object.
  std::shared_ptr<const core::MethodOptions> Find(
      absl::string_view channel, absl::string_view method) const;
  // Returns what applies to a call. This is what Find() returns, except for
  // methods of health checks, of reflection and of our own admin service: there
  // it is what FindNamed() returns. Failures of those methods say nothing about
  // the service, and a breaker on them could take a node out of use only
  // because its health check was slow.
  std::shared_ptr<const core::MethodOptions> FindForCall(
      absl::string_view channel, absl::string_view method) const;
  // Does the same as Find() among the entries that name the method's service.
  std::shared_ptr<const core::MethodOptions> FindNamed(
      absl::string_view channel, absl::string_view method) const;

  // Returns whether an entry names exactly this method, for this channel or
  // any.
  bool NamesMethod(absl::string_view channel, absl::string_view method) const;

  // Visits every name of the policy with the options of its entry, in no
  // particular order. An empty part means any.
  using Visitor = absl::FunctionRef<void(
      absl::string_view channel, absl::string_view service,
      absl::string_view method, const core::MethodOptions& options)>;
  void ForEachName(Visitor visit) const;

  // Returns what the table was compiled from. Never null.
  const std::shared_ptr<const v1::PolicySet>& source() const {
    return data_->source;
  }

  // Returns the budget of the channel's own entry, else that of the entry
  // without a name, else the defaults.
  core::BudgetOptions BudgetFor(absl::string_view channel) const;
  // Likewise returns the admission policies that calls of the channel pass if
  // their method has none of its own. There are none by default.
  core::AdmissionOptions AdmissionFor(absl::string_view channel) const;

 private:
  friend class PolicyCompiler;

  std::shared_ptr<const core::MethodOptions> FindAmong(
      absl::string_view channel, absl::string_view method,
      size_t candidates) const;

  // Channel, service and method; an empty part means any.
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
