// What firebreakctl prints for people: the answers of the admin service as
// text.
//
//   std::cout << RenderMethods(response, /*colours=*/false);
//
// Ages are relative to the answer's `as_of`, so a client whose clock is off
// shows them right.
//
// Thread safety: pure functions.
#ifndef FIREBREAK_TOOLS_FIREBREAKCTL_RENDER_H_
#define FIREBREAK_TOOLS_FIREBREAKCTL_RENDER_H_

#include <google/protobuf/repeated_ptr_field.h>

#include <string>

#include "firebreak/v1/admin.pb.h"

namespace firebreak::ctl {

// One line for each breaker; the figures of a method stand at its first.
std::string RenderMethods(const v1::ListMethodsResponse& response,
                          bool colours);
// All there is to say about one method.
std::string RenderMethod(const v1::GetMethodResponse& response, bool colours);
// The breakers that a command changed.
std::string RenderBreakers(
    const google::protobuf::RepeatedPtrField<v1::Breaker>& breakers,
    bool colours);
// One line.
std::string RenderEvent(const v1::Event& event, bool colours);

}  // namespace firebreak::ctl

#endif  // FIREBREAK_TOOLS_FIREBREAKCTL_RENDER_H_
