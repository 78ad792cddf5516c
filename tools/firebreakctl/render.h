// What firebreakctl prints for people: the answers of the admin service as
// text.
//
//   std::cout << RenderMethods({{"", "", response}}, style);
//
// Ages are relative to the answer's `as_of`, so they are right whatever the
// clocks of client and servers say.
//
// Thread safety: pure functions.
#ifndef FIREBREAK_TOOLS_FIREBREAKCTL_RENDER_H_
#define FIREBREAK_TOOLS_FIREBREAKCTL_RENDER_H_

#include <google/protobuf/repeated_ptr_field.h>

#include <cstdint>
#include <string>
#include <vector>

#include "firebreak/v1/admin.pb.h"
#include "tools/firebreakctl/table.h"

namespace firebreak::ctl {

// What one server of several answered.
template <class Response>
struct Answer {
  std::string target;  // as it was asked for; "" = the only one
  std::string error;   // why there is no response; "" = there is one
  Response response;
  bool is_not_found = false;  // that is why
  bool is_idle = false;       // no method of it has been called
};
template <class Response>
using Answers = std::vector<Answer<Response>>;

// One line for each breaker; the figures of a method stand at its first. Worst
// first, and before all servers that do not answer, or have nothing to tell.
// With more than one server a column says which. `limit`: of methods; 0 = all.
std::string RenderMethods(const Answers<v1::ListMethodsResponse>& answers,
                          const Style& style, size_t limit = 0);
// All methods that are not healthy, and a line for each server.
std::string RenderHealth(const Answers<v1::GetHealthResponse>& answers,
                         const Style& style);
std::string RenderAlerts(const Answers<v1::ListAlertsResponse>& answers,
                         const Style& style);
// All there is to say about one method.
std::string RenderMethod(const v1::GetMethodResponse& response,
                         const Style& style);
// The newest first.
std::string RenderDecisions(const v1::ListDecisionsResponse& response,
                            const Style& style);
// The breakers that a command changed.
std::string RenderBreakers(
    const google::protobuf::RepeatedPtrField<v1::Breaker>& breakers,
    const Style& style);
// The versions that are kept, the one in force first.
std::string RenderHistory(const v1::GetPolicyResponse& response,
                          const Style& style);
// The calls that lose their breaker, if there are any.
std::string RenderLost(const v1::ApplyPolicyResponse& response,
                       const Style& style);
// A policy file, with a comment on where it is from in front.
std::string RenderPolicy(const v1::GetPolicyResponse& response);
// Each field with its value before ("-") and after ("+").
std::string RenderDifferences(const v1::ApplyPolicyResponse& response,
                              const Style& style);
// `more`: how many are not among them.
std::string RenderFindings(
    const google::protobuf::RepeatedPtrField<v1::PolicyFinding>& findings,
    const Style& style);
// One line.
std::string RenderEvent(const v1::Event& event, const Style& style);

}  // namespace firebreak::ctl

#endif  // FIREBREAK_TOOLS_FIREBREAKCTL_RENDER_H_
