#include "src/engine/policy/policy_table.h"

#include <utility>

#include "absl/strings/match.h"
#include "firebreak/v1/policy.pb.h"

namespace firebreak::engine {
namespace {

bool IsExempt(absl::string_view method) {
  return absl::StartsWith(method, "/grpc.health.v1.Health/") ||
         absl::StartsWith(method, "/grpc.reflection.") ||
         absl::StartsWith(method, "/firebreak.v1.Admin/");
}

}  // namespace

PolicyTable::PolicyTable() : data_(NoData()) {}

std::shared_ptr<const PolicyTable::Data> PolicyTable::NoData() {
  auto data = std::make_shared<Data>();
  data->source = std::make_shared<const v1::PolicySet>();
  return data;
}

PolicyTable::PolicyTable(std::shared_ptr<const Data> data)
    : data_(std::move(data)) {}

std::shared_ptr<const core::MethodOptions> PolicyTable::Find(
    absl::string_view channel, absl::string_view method) const {
  return FindAmong(channel, method, 6);
}

std::shared_ptr<const core::MethodOptions> PolicyTable::FindForCall(
    absl::string_view channel, absl::string_view method) const {
  return IsExempt(method) ? FindNamed(channel, method) : Find(channel, method);
}

std::shared_ptr<const core::MethodOptions> PolicyTable::FindNamed(
    absl::string_view channel, absl::string_view method) const {
  return FindAmong(channel, method, 4);
}

bool PolicyTable::NamesMethod(absl::string_view channel,
                              absl::string_view method) const {
  return FindAmong(channel, method, 2) != nullptr;
}

std::shared_ptr<const core::MethodOptions> PolicyTable::FindAmong(
    absl::string_view channel, absl::string_view method,
    size_t candidates) const {
  // Split at the last slash, since a service that is mounted under a prefix has
  // more of them.
  absl::string_view service;
  absl::string_view name;
  const size_t slash = method.rfind('/');
  if (slash != absl::string_view::npos) {
    service = method.substr(0, slash);
    name = method.substr(slash + 1);
    if (!service.empty() && service.front() == '/') service.remove_prefix(1);
  }
  const NameView by_precedence[] = {
      {channel, service, name}, {"", service, name}, {channel, service, ""},
      {"", service, ""},        {channel, "", ""},   {"", "", ""},
  };
  for (size_t i = 0; i < candidates; ++i) {
    const auto found = data_->methods.find(by_precedence[i]);
    if (found != data_->methods.end()) return found->second;
  }
  return nullptr;
}

void PolicyTable::ForEachName(Visitor visit) const {
  for (const auto& [name, options] : data_->methods) {
    const auto& [channel, service, method] = name;
    visit(channel, service, method, *options);
  }
}

core::BudgetOptions PolicyTable::BudgetFor(absl::string_view channel) const {
  auto found = data_->budgets.find(channel);
  if (found == data_->budgets.end()) found = data_->budgets.find("");
  return found == data_->budgets.end() ? core::BudgetOptions{} : found->second;
}

core::AdmissionOptions PolicyTable::AdmissionFor(
    absl::string_view channel) const {
  auto found = data_->admissions.find(channel);
  if (found == data_->admissions.end()) found = data_->admissions.find("");
  return found == data_->admissions.end() ? core::AdmissionOptions{}
                                          : found->second;
}

}  // namespace firebreak::engine
