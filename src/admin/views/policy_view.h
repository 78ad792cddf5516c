// A method's options in the policy language, with all defaults filled in.
//
//   *view.mutable_policy() = PolicyView(*settings->options,
//                                       settings->admission);
//
// The inverse of src/engine/policy/policy_compile.h: an entry with this
// content, under another name, compiles to the same options.
//
// Thread safety: pure functions.
#ifndef FIREBREAK_SRC_ADMIN_VIEWS_POLICY_VIEW_H_
#define FIREBREAK_SRC_ADMIN_VIEWS_POLICY_VIEW_H_

#include "firebreak/v1/policy.pb.h"
#include "src/core/admission/admission_control.h"
#include "src/core/options.h"

namespace firebreak::admin {

// Without `name`, `id` and `base`. `admission` is what applies to the method,
// the admission of its channel included.
v1::MethodPolicy PolicyView(const core::MethodOptions& options,
                            const core::AdmissionControl& admission);

}  // namespace firebreak::admin

#endif  // FIREBREAK_SRC_ADMIN_VIEWS_POLICY_VIEW_H_
