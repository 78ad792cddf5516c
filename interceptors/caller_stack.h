// Does the caller of a call wait for it in a frame of this very stack?
//
//   if (LivesOnThisStack(methods)) ...   // a synchronous stub: we may block
//   CallerStack stack = CallerStack::Current();        // when the call is made
//   if (!stack.MayHold(methods)) ...     // certainly no synchronous stub
//
// gRPC tells an interceptor nothing about the stub's style. But a synchronous
// stub keeps the operations of its call, and in them the batch that an
// interceptor is handed, in local variables, and the other styles keep them in
// the call's arena. A local variable of a frame beneath us on this stack lives
// at most until we return and that frame does: so that frame has to wait for
// the call's end itself, and it is no harm if it does so inside of us.
//
// The two questions err to opposite sides. On a stack that the thread did not
// begin with (fibers, coroutines, ASan's fake stack), and off glibc, both say
// that they do not know: the first answers no, the second yes. The second looks
// at the stack of the thread that made the call, since an interceptor before
// ours may hand its batches on from another thread.
//
// Thread safety: any thread. See docs/adr/0006-calling-thread.md and 0016.
#ifndef FIREBREAK_INTERCEPTORS_CALLER_STACK_H_
#define FIREBREAK_INTERCEPTORS_CALLER_STACK_H_

#include <cstdint>

namespace firebreak::interceptors {

bool LivesOnThisStack(const void* object);

class CallerStack {
 public:
  // Of the calling thread.
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

#endif  // FIREBREAK_INTERCEPTORS_CALLER_STACK_H_
