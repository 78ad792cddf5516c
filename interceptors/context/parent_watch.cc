#include "interceptors/context/parent_watch.h"

#include <utility>

namespace firebreak::interceptors {

std::shared_ptr<ParentWatch> ParentWatch::Start(
    const ContextFields& parent, engine::Io* io,
    std::function<void(grpc::StatusCode code)> on_end) {
  auto watch = std::make_shared<ParentWatch>(Key{}, std::move(on_end));
  ContextFields fields;
  fields.parent = parent.parent;
  fields.propagation = parent.propagation;
  WriteContext(fields, &watch->context_);
  watch->context_.set_initial_metadata_corked(true);
  grpc::GenericStub stub(io->idle_channel());
  grpc::CompletionQueue* const cq = io->Begin();
  watch->stream_ = stub.PrepareCall(&watch->context_, watch->method_, cq);
  watch->self_ = watch;
  watch->stream_->StartCall(nullptr);
  watch->stream_->Finish(&watch->status_,
                         static_cast<engine::Completion*>(watch.get()));
  return watch;
}

void ParentWatch::OnComplete(bool /*ok*/) {
  const std::shared_ptr<ParentWatch> self = std::move(self_);
  std::exchange(on_end_, nullptr)(status_.error_code());
}

}  // namespace firebreak::interceptors
