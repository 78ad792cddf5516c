// Keeps a call's batches on their way down until the call is decided. Then it
// lets them pass: to the network, or to where they are answered.
//
//   if (gate.Keep(batch, ...)) return;   // the gate passes it on later
//   ...
//   gate.OpenNatively(first, channel);   // or OpenHijacked(first, ...)
//
// From the moment a call is made until it is decided, only a cancel passes,
// whichever batch comes first and on whichever thread. An interceptor before
// ours may pass on a later batch before the first, from threads of its own, and
// a stream whose initial metadata is corked asks for its status first. A batch
// that went to the network alone would belong to a call that is never started
// there, and would never complete.
//
// The deciding batch passes first, since gRPC requires that of a call that is
// taken over. The others follow in the order they came, and none overtakes
// another.
//
// If a call is cancelled, or its deadline passes, while the gate keeps batches
// and nobody has begun to decide it, the gate opens natively. gRPC then ends
// the call as it would have without us.
//
// Thread safety: all functions may be called from any thread. The call lives
// until its last batch has passed. After that the call, and this gate with it,
// may be gone. A call of one batch costs two atomic operations; a call of
// several also costs a small allocation.
#ifndef FIREBREAK_INTERCEPTORS_BATCH_GATE_H_
#define FIREBREAK_INTERCEPTORS_BATCH_GATE_H_

#include <grpcpp/support/client_interceptor.h>

#include <atomic>
#include <cstdint>
#include <memory>

#include "src/core/base/time.h"
#include "src/engine/engine_core.h"

namespace firebreak::interceptors {

class Gate {
 public:
  using Methods = grpc::experimental::InterceptorBatchMethods;

  Gate() = default;
  ~Gate();
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  // Returns true to the first thread that calls this. That thread decides the
  // call and opens the gate.
  bool Claim() { return !is_claimed_.exchange(true); }

  // Takes a batch on its way down. Returns true if the gate keeps it. `channel`
  // is that of the call, which ends at `deadline`: batches that nobody decides
  // on are let go then.
  bool Keep(Methods* batch, core::Time deadline,
            const std::shared_ptr<engine::ChannelBinding>& channel);
  // Returns whether all batches pass.
  bool is_open() const;

  // Called when the caller has cancelled, perhaps under the lock of its
  // context.
  void OnCancel();

  // Called once, by the thread that has claimed the gate. `first` is the
  // deciding batch, and is not among those kept.
  void OpenNatively(Methods* first,
                    const std::shared_ptr<engine::ChannelBinding>& channel);
  // If `fails_writes` is true, the messages that batches have to send fail, as
  // they do on a call that is over.
  void OpenHijacked(Methods* first,
                    const std::shared_ptr<engine::ChannelBinding>& channel,
                    bool fails_writes);

 private:
  class Kept;

  // Any other value is the address of a Kept.
  static constexpr std::uintptr_t kNothing = 0;
  static constexpr std::uintptr_t kOpen = 1;       // and nothing was ever kept
  static constexpr std::uintptr_t kCancelled = 2;  // and nothing is kept

  // Applies `go` to the first batch and `follow` to the others.
  template <class Go, class Follow>
  void Open(Methods* first,
            const std::shared_ptr<engine::ChannelBinding>& channel, Go go,
            Follow follow);

  std::atomic<std::uintptr_t> kept_{kNothing};
  std::atomic<bool> is_claimed_{false};
};

}  // namespace firebreak::interceptors

#endif  // FIREBREAK_INTERCEPTORS_BATCH_GATE_H_
