// Does the caller of a call wait for it in a frame of this very stack?
//
//   if (LivesOnThisStack(methods)) ...   // a synchronous stub: we may block
//
// gRPC tells an interceptor nothing about the stub's style. But a synchronous
// stub keeps the operations of its call, and in them the batch that an
// interceptor is handed, in local variables, and the other styles keep them in
// the call's arena. A local variable of a frame beneath us on this stack lives
// at most until we return and that frame does: so that frame has to wait for
// the call's end itself, and it is no harm if it does so inside of us.
//
// On a stack that the thread did not begin with (fibers, coroutines, ASan's
// fake stack), and off glibc, the answer is no, which is always safe.
//
// Thread safety: any thread. See docs/adr/0006-calling-thread.md.
#ifndef FIREBREAK_INTERCEPTORS_CALLER_STACK_H_
#define FIREBREAK_INTERCEPTORS_CALLER_STACK_H_

namespace firebreak::interceptors {

bool LivesOnThisStack(const void* object);

}  // namespace firebreak::interceptors

#endif  // FIREBREAK_INTERCEPTORS_CALLER_STACK_H_
