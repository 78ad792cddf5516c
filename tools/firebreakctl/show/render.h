// What firebreakctl prints for people: answers of the admin service as text.
//
//   std::cout << RenderMethods({{"", "", response}}, style);
//
// Ages are relative to the answer's `as_of`, so they are right even if the
// clocks of client and servers differ.
//
// Thread safety: pure functions.
#ifndef FIREBREAK_TOOLS_FIREBREAKCTL_SHOW_RENDER_H_
#define FIREBREAK_TOOLS_FIREBREAKCTL_SHOW_RENDER_H_

#include <google/protobuf/repeated_ptr_field.h>

#include <cstdint>
#include <string>
#include <vector>

#include "firebreak/v1/admin.pb.h"
#include "tools/firebreakctl/show/table.h"

namespace firebreak::ctl {

// The answer of one of several servers.
template <class Response>
struct Answer {
  std::string target;  // its name; "" = the only one
  std::string error;   // why there is no response, or ""
  Response response;
  bool is_not_found = false;  // the error is NOT_FOUND
  bool is_idle = false;       // no method of it has been called
};
template <class Response>
using Answers = std::vector<Answer<Response>>;

// One line per breaker; the figures of a method are on its first line. The
// worst methods come first, and before them the servers that do not answer or
// have no calls. With more than one server there is a column for it. `limit` is
// the most methods; 0 = all.
std::string RenderMethods(const Answers<v1::ListMethodsResponse>& answers,
                          const Style& style, size_t limit = 0);
// All methods that are not healthy, and a line per server.
std::string RenderHealth(const Answers<v1::GetHealthResponse>& answers,
                         const Style& style);
std::string RenderAlerts(const Answers<v1::ListAlertsResponse>& answers,
                         const Style& style);
// Everything about one method.
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
// A table of what the candidate would have done, and a sentence for each method
// on which the two policies differ.
std::string RenderComparison(const v1::CompareCandidateResponse& response,
                             const Style& style);
// What `show` says about the candidate, in one line.
std::string CandidateText(const v1::CandidateMethod& method);
// A policy file that begins with a comment on its origin.
std::string RenderPolicy(const v1::GetPolicyResponse& response);
// Each field with its value before ("-") and after ("+").
std::string RenderDifferences(const v1::ApplyPolicyResponse& response,
                              const Style& style);
// What a change does: its differences, the calls that lose their breaker, and
// the findings.
std::string RenderChange(const v1::ApplyPolicyResponse& response,
                         const Style& style);
// The findings of a lint.
std::string RenderFindings(
    const google::protobuf::RepeatedPtrField<v1::PolicyFinding>& findings,
    const Style& style);
// One event on one line.
std::string RenderEvent(const v1::Event& event, const Style& style);

}  // namespace firebreak::ctl

#endif  // FIREBREAK_TOOLS_FIREBREAKCTL_SHOW_RENDER_H_
