// The numbers of a recording's methods, by their names.
//
//   MethodNames names(&recording.methods);
//   uint16_t number = names.NumberOf("/shop.v1.Payment/Charge", &is_other);
//
// Names past Recording::kMaxMethods share the number of kOtherMethods.
//
// Thread safety: none. Ownership: `methods` outlives it.
#ifndef FIREBREAK_SRC_SIM_METHOD_NAMES_H_
#define FIREBREAK_SRC_SIM_METHOD_NAMES_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "src/sim/recording.h"

namespace firebreak::sim {

class MethodNames {
 public:
  explicit MethodNames(std::vector<std::string>* methods) : methods_(methods) {}
  MethodNames(const MethodNames&) = delete;
  MethodNames& operator=(const MethodNames&) = delete;

  // Sets `*is_other` if there was no room for the name.
  uint16_t NumberOf(absl::string_view name, bool* is_other) {
    const auto found = numbers_.find(std::string(name));
    *is_other =
        found == numbers_.end() && methods_->size() >= Recording::kMaxMethods;
    if (found != numbers_.end()) return found->second;
    const auto [others, is_new] =
        numbers_.try_emplace(std::string(*is_other ? kOtherMethods : name),
                             static_cast<uint16_t>(methods_->size()));
    if (is_new) methods_->push_back(others->first);
    return others->second;
  }

 private:
  std::vector<std::string>* const methods_;
  std::map<std::string, uint16_t> numbers_;
};

}  // namespace firebreak::sim

#endif  // FIREBREAK_SRC_SIM_METHOD_NAMES_H_
