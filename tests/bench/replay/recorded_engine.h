// Records the calls of an engine through RecordCalls into a file of its own,
// and reads the recording from that.
//
//   RecordedEngine recorded(engine);          // from now on
//   ...
//   sim::Recording recording = recorded.Stop();
//
// Errors: it ends the program if something fails. Thread safety: none.
#ifndef FIREBREAK_TESTS_BENCH_REPLAY_RECORDED_ENGINE_H_
#define FIREBREAK_TESTS_BENCH_REPLAY_RECORDED_ENGINE_H_

#include <grpcpp/client_context.h>
#include <grpcpp/server.h>

#include <memory>
#include <string>
#include <thread>

#include "firebreak/admin_service.h"
#include "firebreak/engine.h"
#include "firebreak/v1/admin.grpc.pb.h"
#include "src/sim/recording.h"
#include "tools/firebreakctl/foresight/recording_file.h"

namespace firebreak::bench {

class RecordedEngine {
 public:
  explicit RecordedEngine(std::shared_ptr<Engine> engine);
  ~RecordedEngine();
  // May be called once.
  sim::Recording Stop();

 private:
  void RemoveFiles() const;

  const std::shared_ptr<Engine> engine_;
  const std::string stem_;
  AdminService admin_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<v1::Admin::Stub> stub_;
  std::unique_ptr<ctl::RecordingFile> file_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::RecordCallsResponse>> reader_;
  std::thread thread_;
};

}  // namespace firebreak::bench

#endif  // FIREBREAK_TESTS_BENCH_REPLAY_RECORDED_ENGINE_H_
