#include "interceptors/batch/pass_through.h"

#include "interceptors/context/carried_options.h"

namespace firebreak::interceptors {

void Strip::Intercept(grpc::experimental::InterceptorBatchMethods* methods) {
  if (methods->QueryInterceptionHookPoint(
          grpc::experimental::InterceptionHookPoints::
              PRE_SEND_INITIAL_METADATA)) {
    // Call options have no effect here, since there is no policy to change.
    const Taken taken = TakeCallOptions(methods->GetSendInitialMetadata());
    if (taken.foreign > 0) core_->CountForeignMetadata(taken.foreign);
  }
  methods->Proceed();
}

}  // namespace firebreak::interceptors
