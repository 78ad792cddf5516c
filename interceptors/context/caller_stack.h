// Finds out whether the caller of a call waits for it in a frame of the current
// stack, as a synchronous stub does.
//
//   if (LivesOnThisStack(methods)) ...   // a synchronous stub: we may block
//   CallerStack stack = CallerStack::Current();        // when the call is made
//   if (!stack.MayHold(methods)) ...     // certainly no synchronous stub
//
// gRPC does not show an interceptor which style of stub made a call. But a
// synchronous stub keeps the operations of its call, and with them the batch
// that an interceptor is given, in local variables. The other styles keep them
// in the call's arena. A local variable of one of our callers on this stack
// lives at most until we return to that caller. So the caller has to wait for
// the end of the call anyway, and it does no harm if it waits inside our
// function.
//
// The two functions err on opposite sides. On a stack that the thread did not
// begin with (fibers, coroutines, ASan's fake stack), and without glibc,
// neither can tell: LivesOnThisStack() then returns false, and MayHold() true.
// MayHold() looks at the stack of the thread that made the call, since an
// interceptor before ours may pass its batches on from another thread.
//
// Thread safety: any thread. See docs/adr/0006-calling-thread.md and 0016.
#ifndef FIREBREAK_INTERCEPTORS_CONTEXT_CALLER_STACK_H_
#define FIREBREAK_INTERCEPTORS_CONTEXT_CALLER_STACK_H_

#include <cstdint>

namespace firebreak::interceptors {

bool LivesOnThisStack(const void* object);

class CallerStack {
 public:
  // Returns the stack of the calling thread.
  static CallerStack Current();
  bool MayHold(const void* object) const {
    const auto there = reinterpret_cast<std::uintptr_t>(object);
    return low_ <= there && there < high_;
  }

 private:
  std::uintptr_t low_ = 0;
  std::uintptr_t high_ = UINTPTR_MAX;
};

}  // namespace firebreak::interceptors

#endif  // FIREBREAK_INTERCEPTORS_CONTEXT_CALLER_STACK_H_
