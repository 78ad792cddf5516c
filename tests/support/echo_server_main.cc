// The echo service as a program. ServerProcess starts it.
//
//   echo_server --parent=PID --port=N [--delay_ms=N]
//               [--max_connection_age_ms=N] [--own_network=1]
//
// Prints "listening on N" to its standard output. After SIGTERM it sends GOAWAY
// to all clients, and ends when the last call has ended.
#include <grpcpp/grpcpp.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <iostream>
#include <map>
#include <string>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "firebreak/testing/echo.grpc.pb.h"

namespace firebreak::testing {
namespace {

class Service final : public Echo::Service {
 public:
  explicit Service(int delay_ms) : delay_ms_(delay_ms) {}

  grpc::Status Unary(grpc::ServerContext* /*context*/,
                     const EchoRequest* request, EchoReply* reply) override {
    reply->set_serial(++calls_);
    reply->set_server(getpid());
    reply->set_text(request->text());
    reply->set_padding(
        std::string(static_cast<size_t>(request->reply_bytes()), 'x'));
    std::this_thread::sleep_for(
        std::chrono::milliseconds(delay_ms_ + request->delay_ms()));
    return grpc::Status::OK;
  }

  // Sends the requested answers, and then nothing until the client goes away,
  // like a stream of events when nothing happens.
  grpc::Status ServerStream(grpc::ServerContext* context,
                            const EchoRequest* request,
                            grpc::ServerWriter<EchoReply>* writer) override {
    EchoReply reply;
    reply.set_server(getpid());
    for (int i = 0; i < request->answers(); ++i) writer->Write(reply);
    while (!context->IsCancelled()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return grpc::Status::CANCELLED;
  }

 private:
  const int delay_ms_;
  std::atomic<int> calls_{0};
};

int Main(int argc, char** argv) {
  std::map<std::string, int> flags;
  for (int i = 1; i < argc; ++i) {
    const std::pair<std::string, std::string> flag =
        absl::StrSplit(argv[i], absl::MaxSplits('=', 1));
    if (!absl::SimpleAtoi(flag.second, &flags[flag.first])) {
      std::cerr << "not --flag=number: " << argv[i] << "\n";
      return 2;
    }
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != flags["--parent"]) return 2;  // it ended before the prctl()
  if (flags["--own_network"] != 0 && unshare(CLONE_NEWNET) != 0) return 3;

  // The signal is blocked before there are threads, so that only sigwait() gets
  // it.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  Service service(flags["--delay_ms"]);
  grpc::ServerBuilder builder;
  int port = 0;
  const char* const host =
      flags["--own_network"] != 0 ? "0.0.0.0:" : "127.0.0.1:";
  builder.AddListeningPort(absl::StrCat(host, flags["--port"]),
                           grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  // Allows clients to send keepalive pings several times a second.
  builder.AddChannelArgument(
      GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0);
  if (const int age = flags["--max_connection_age_ms"]; age > 0) {
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS, age);
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, 10'000);
  }
  const auto server = builder.BuildAndStart();
  if (server == nullptr) return 4;
  std::cout << "listening on " << port << std::endl;

  int signal = 0;
  sigwait(&signals, &signal);
  server->Shutdown();
  // _exit() skips grpc_shutdown(), which can take seconds and is not tested.
  _exit(0);
}

}  // namespace
}  // namespace firebreak::testing

int main(int argc, char** argv) { return firebreak::testing::Main(argc, argv); }
