// Keeps a call's batches on their way down until the call is decided, and then
// lets them on: to the network, or to where they are answered.
//
//   if (gate.Keep(batch, ...)) return;   // it goes on by itself
//   ...
//   gate.OpenNatively(first, channel);   // or OpenHijacked(first, ...)
//
// From the moment a call is made until it is decided nothing of it passes but a
// cancel, whatever comes first and on whatever thread: an interceptor before
// ours may hand on a later batch before the first, from threads of its own, and
// a stream whose initial metadata is corked asks for its status first. A batch
// that went to the network by itself would belong to a call that is never
// started there, and its end would never come.
//
// The deciding batch goes first, since gRPC wants that of a call that is taken
// over; the others follow in the order they came, and none overtakes another.
//
// A call that is cancelled, or whose deadline passes, while it keeps batches
// and is not even being decided, is opened natively: gRPC then ends it as it
// would have without us.
//
// Thread safety: all from any thread. The caller of Open…() holds what the
// batches belong to; with the last of them the call, and this, may be gone.
// A call of one batch pays an exchange, and what has more a small allocation.
#ifndef FIREBREAK_INTERCEPTORS_GATE_H_
#define FIREBREAK_INTERCEPTORS_GATE_H_

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

  // True for whoever asks first: it decides, and opens.
  bool Claim() { return !is_claimed_.exchange(true); }

  // A batch on its way down. True: it is kept. `channel` is its call's, which
  // ends at `deadline`: kept batches that nobody decides on are let go then.
  bool Keep(Methods* batch, core::Time deadline,
            const std::shared_ptr<engine::ChannelBinding>& channel);
  // Whether all batches pass.
  bool is_open() const;

  // The caller has cancelled, perhaps under the lock of its context.
  void OnCancel();

  // Once, by who has claimed it. `first` decided it, and is not among those
  // kept.
  void OpenNatively(Methods* first,
                    const std::shared_ptr<engine::ChannelBinding>& channel);
  // `fails_writes`: those kept have messages to send, which fail, as on a call
  // that is over.
  void OpenHijacked(Methods* first,
                    const std::shared_ptr<engine::ChannelBinding>& channel,
                    bool fails_writes);

 private:
  class Kept;

  // Else the address of a Kept.
  static constexpr std::uintptr_t kNothing = 0;
  static constexpr std::uintptr_t kOpen = 1;       // and nothing was ever kept
  static constexpr std::uintptr_t kCancelled = 2;  // and nothing is kept

  // `go` is done with the first, `follow` with the others.
  template <class Go, class Follow>
  void Open(Methods* first,
            const std::shared_ptr<engine::ChannelBinding>& channel, Go go,
            Follow follow);

  std::atomic<std::uintptr_t> kept_{kNothing};
  std::atomic<bool> is_claimed_{false};
};

}  // namespace firebreak::interceptors

#endif  // FIREBREAK_INTERCEPTORS_GATE_H_
