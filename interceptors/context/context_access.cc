#include "interceptors/context/context_access.h"

namespace firebreak::interceptors {

#ifdef FIREBREAK_READ_PRIVATE_CONTEXT
namespace {

// `Member(Tag{})` is the member pointer `kMember` that the explicit
// instantiation below was given.
template <class Tag, auto kMember>
struct Expose {
  friend constexpr auto Member(Tag) { return kMember; }
};

struct WaitForReady {
  friend constexpr auto Member(WaitForReady);
};
struct WaitForReadyIsSet {
  friend constexpr auto Member(WaitForReadyIsSet);
};
struct Authority {
  friend constexpr auto Member(Authority);
};
struct Parent {
  friend constexpr auto Member(Parent);
};
struct Propagation {
  friend constexpr auto Member(Propagation);
};
struct DebugErrorString {
  friend constexpr auto Member(DebugErrorString);
};

template struct Expose<WaitForReady, &grpc::ClientContext::wait_for_ready_>;
template struct Expose<WaitForReadyIsSet,
                       &grpc::ClientContext::wait_for_ready_explicitly_set_>;
template struct Expose<Authority, &grpc::ClientContext::authority_>;
template struct Expose<Parent, &grpc::ClientContext::propagate_from_call_>;
template struct Expose<Propagation, &grpc::ClientContext::propagation_options_>;
template struct Expose<DebugErrorString,
                       &grpc::ClientContext::debug_error_string_>;

}  // namespace

ContextFields ReadContext(const grpc::ClientContext& context) {
  ContextFields fields;
  fields.wait_for_ready = context.*Member(WaitForReady{});
  fields.wait_for_ready_is_set = context.*Member(WaitForReadyIsSet{});
  fields.authority = context.*Member(Authority{});
  fields.parent = context.*Member(Parent{});
  fields.propagation = context.*Member(Propagation{});
  return fields;
}

grpc_call* ReadParent(const grpc::ClientContext& context) {
  return context.*Member(Parent{});
}

void SetParent(const grpc::ServerContextBase& server,
               grpc::ClientContext* context) {
  const auto made = grpc::ClientContext::FromServerContext(server);
  context->*Member(Parent{}) = (*made).*Member(Parent{});
  context->*Member(Propagation{}) = (*made).*Member(Propagation{});
}

void WriteContext(const ContextFields& fields, grpc::ClientContext* context) {
  if (fields.wait_for_ready_is_set) {
    context->set_wait_for_ready(fields.wait_for_ready);
  }
  if (!fields.authority.empty()) context->set_authority(fields.authority);
  context->*Member(Parent{}) = fields.parent;
  context->*Member(Propagation{}) = fields.propagation;
}

void WriteDebugErrorString(std::string text, grpc::ClientContext* context) {
  context->*Member(DebugErrorString{}) = std::move(text);
}

#else

ContextFields ReadContext(const grpc::ClientContext&) { return {}; }
grpc_call* ReadParent(const grpc::ClientContext&) { return nullptr; }
void WriteContext(const ContextFields&, grpc::ClientContext*) {}
void SetParent(const grpc::ServerContextBase&, grpc::ClientContext*) {}
void WriteDebugErrorString(std::string, grpc::ClientContext*) {}

#endif

}  // namespace firebreak::interceptors
