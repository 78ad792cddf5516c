// The caller's own call, gone out natively as the first attempt of a driven
// call.
//
//   NativeCall native(context, codec, &reply);
//   ... the gate opens natively ...
//   native.Keep(batch);                 // its batches, on their way up
//   native.Cancel();                    // another attempt has won
//   native.WriteOver(answer);           // that attempt's answer
//   native.LetGo();                     // the caller has it
//
// A callback or completion-queue stub's call that ends well at its first
// attempt, as nearly all do, so costs hardly more than without firebreak, and
// shows its caller all that a native call shows. Only where the driver wants
// more than that attempt is its end kept, further attempts are made, and the
// deciding one's status, message and metadata are written over what gRPC has
// found. docs/adr/0016-a-native-first-attempt.md says why this may be.
//
// A synchronous stub cannot have this: whether there is a message was decided
// before interceptors see the end, and where there was none it says
// UNIMPLEMENTED whatever we write.
//
// Thread safety: none, its call's owner does all, but for IsCancelling().
// Ownership: context and reply are the caller's, and there until LetGo().
#ifndef FIREBREAK_INTERCEPTORS_NATIVE_CALL_H_
#define FIREBREAK_INTERCEPTORS_NATIVE_CALL_H_

#include <grpcpp/client_context.h>
#include <grpcpp/support/client_interceptor.h>

#include <map>
#include <string>

#include "interceptors/answer.h"
#include "src/core/base/time.h"

namespace firebreak::interceptors {

class NativeCall {
 public:
  using Methods = grpc::experimental::InterceptorBatchMethods;
  enum class Stage {
    kNotStarted,
    kInFlight,
    kEnded,  // and its end is kept
    kGone,
  };

  // `first` sends all that the call sends. Whether its end can be kept and
  // written over, which needs that the batch that receives the status is on its
  // way already or follows by itself.
  static bool CanBe(Methods* first);

  explicit NativeCall(grpc::ClientContext* context) : context_(context) {}

  // The deadline as metadata, for a caller that has none of its own: so the
  // server knows it. A context's deadline can no longer be set.
  static void SendDeadline(core::Duration left,
                           std::multimap<std::string, std::string>* metadata);

  Stage stage() const { return stage_; }
  // `is_split`: initial metadata and status are received in two batches.
  void Start(bool is_split) {
    stage_ = Stage::kInFlight;
    awaits_initial_ = is_split;
  }

  // Of the batch with the initial metadata, where that is one of its own: it
  // has come. gRPC does not promise that it comes before the end.
  void NoteInitial() { awaits_initial_ = false; }
  bool AwaitsInitial() const { return awaits_initial_; }
  void KeepInitial(Methods* batch) { initial_ = batch; }
  void KeepEnd(Methods* batch) {
    end_ = batch;
    stage_ = Stage::kEnded;
  }
  Methods* end() const { return end_; }
  const grpc::Status& status() const { return *end_->GetRecvStatus(); }
  const std::multimap<grpc::string_ref, grpc::string_ref>& trailing() const {
    return *end_->GetRecvTrailingMetadata();
  }

  // Once its answer is not wanted any more; the end is still to come. Runs the
  // cancel hooks of all interceptors, under the lock of the context.
  void Cancel();
  // Whether the cancel of `context` that the calling thread sees is ours.
  static bool IsCancelling(const grpc::ClientContext* context);

  // All but the message, over what was received. `answer` outlives the context.
  void WriteOver(const Answer& answer);
  // Beside what was received.
  void Add(const Answer::Metadata& trailing);
  // Nothing of the caller's may be touched afterwards.
  void LetGo();

 private:
  grpc::ClientContext* const context_;
  Stage stage_ = Stage::kNotStarted;
  bool awaits_initial_ = false;
  Methods* initial_ = nullptr;
  Methods* end_ = nullptr;
};

}  // namespace firebreak::interceptors

#endif  // FIREBREAK_INTERCEPTORS_NATIVE_CALL_H_
