// The notification service of the example. It only pretends to write to the
// customer.
//
//   notification_server --address 127.0.0.1:50055
#include "examples/shop/flags.h"
#include "examples/shop/serving.h"
#include "shop/v1/shop.grpc.pb.h"

namespace shop {
namespace {

class NotificationService final
    : public v1::NotificationService::CallbackService {
 public:
  NotificationService(WorkerPool* pool, int service_ms)
      : pool_(pool), service_ms_(service_ms) {}

  grpc::ServerUnaryReactor* Notify(grpc::CallbackServerContext* context,
                                   const v1::NotifyRequest*,
                                   v1::NotifyReply*) override {
    return InPool(pool_, context, service_ms_, [] { return grpc::Status::OK; });
  }

 private:
  WorkerPool* const pool_;
  const int service_ms_;
};

int Main(int argc, char** argv) {
  CLI::App app("The notification service of the shop example.",
               "notification_server");
  ServerFlags flags("127.0.0.1:50055");
  flags.AddTo(&app);
  if (const auto exit = ParseFlags(&app, argc, argv)) return *exit;
  BlockShutdownSignals();
  WorkerPool pool(flags.capacity);
  NotificationService service(&pool, flags.service_ms);
  return Serve(flags, &pool, {&service});
}

}  // namespace
}  // namespace shop

int main(int argc, char** argv) { return shop::Main(argc, argv); }
