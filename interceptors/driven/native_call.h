// The caller's own call, which has gone out natively as the first attempt of a
// driven call.
//
//   NativeCall native(context);
//   ... the gate opens natively ...
//   native.KeepEnd(batch);              // its last batch, on its way up
//   native.Cancel();                    // another attempt has won
//   native.WriteOver(answer);           // that attempt's answer
//   native.LetGo();                     // the caller has it
//
// Nearly all calls of callback and completion-queue stubs end well at their
// first attempt. Such a call costs hardly more than without firebreak, and
// shows its caller all that a native call shows. Only where the driver wants
// more than that attempt is its end kept. Further attempts are then made, and
// the status, message and metadata of the deciding one are written over what
// gRPC has received. docs/adr/0016-a-native-first-attempt.md explains why this
// is allowed.
//
// A synchronous stub cannot do this. gRPC has decided whether there is a
// message before interceptors see the end. If there is none, the stub returns
// UNIMPLEMENTED whatever is written over an OK.
//
// Thread safety: none, since only the owner of the call uses it; IsCancelling()
// may be called from any thread. Ownership: the context and the reply belong to
// the caller, and are valid until LetGo().
#ifndef FIREBREAK_INTERCEPTORS_DRIVEN_NATIVE_CALL_H_
#define FIREBREAK_INTERCEPTORS_DRIVEN_NATIVE_CALL_H_

#include <grpcpp/client_context.h>
#include <grpcpp/support/client_interceptor.h>

#include <map>
#include <string>

#include "interceptors/reply/answer.h"
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

  // Returns whether the end of the call can be kept and written over. `first`
  // sends all that the call sends. The batch that receives the status must be
  // on its way already, or follow without a further step of the caller.
  static bool CanBe(Methods* first);

  explicit NativeCall(grpc::ClientContext* context) : context_(context) {}

  // Sends the deadline as metadata, so that the server knows it. This is for a
  // caller that has set no deadline itself: that of a context can no longer be
  // set.
  static void SendDeadline(core::Duration left,
                           std::multimap<std::string, std::string>* metadata);

  Stage stage() const { return stage_; }
  // `is_split` is whether initial metadata and status are received in two
  // batches.
  void Start(bool is_split) {
    stage_ = Stage::kInFlight;
    awaits_initial_ = is_split;
  }

  // Notes that the batch with the initial metadata has come, where that is a
  // batch of its own. gRPC does not promise that it comes before the end.
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

  // Cancels the call when its answer is not wanted any more. Its end is still
  // to come. This runs the cancel hooks of all interceptors, under the lock of
  // the context.
  void Cancel();
  // Returns whether the cancel of `context` that the calling thread is being
  // notified of comes from Cancel().
  static bool IsCancelling(const grpc::ClientContext* context);

  // Writes all but the message over what was received. `answer` must outlive
  // the context.
  void WriteOver(const Answer& answer);
  // Adds `trailing` to the metadata that was received.
  void Add(const Answer::Metadata& trailing);
  // Lets the kept batches go. Nothing that belongs to the caller may be touched
  // afterwards.
  void LetGo();

 private:
  grpc::ClientContext* const context_;
  Stage stage_ = Stage::kNotStarted;
  bool awaits_initial_ = false;
  Methods* initial_ = nullptr;
  Methods* end_ = nullptr;
};

}  // namespace firebreak::interceptors

#endif  // FIREBREAK_INTERCEPTORS_DRIVEN_NATIVE_CALL_H_
