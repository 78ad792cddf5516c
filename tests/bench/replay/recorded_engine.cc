#include "tests/bench/replay/recorded_engine.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tools/firebreakctl/foresight/recorded_calls.h"

namespace firebreak::bench {

RecordedEngine::RecordedEngine(std::shared_ptr<Engine> engine)
    : engine_(std::move(engine)),
      stem_(absl::StrCat(std::filesystem::temp_directory_path().string(),
                         "/replay-", getpid())),
      admin_(engine_) {
  RemoveFiles();
  grpc::ServerBuilder builder;
  const std::string address = absl::StrCat("unix:", stem_, ".sock");
  builder.AddListeningPort(address, grpc::InsecureServerCredentials());
  builder.RegisterService(&admin_);
  server_ = builder.BuildAndStart();
  stub_ = v1::Admin::NewStub(
      grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
  file_ = *ctl::RecordingFile::Create(stem_ + ".fbr");
  v1::RecordCallsRequest request;
  request.mutable_duration()->set_seconds(3600);
  reader_ = stub_->RecordCalls(&context_, request);
  // The first response says that the recording has begun.
  v1::RecordCallsResponse response;
  if (!reader_->Read(&response)) std::abort();
  thread_ = std::thread([this] {
    v1::RecordCallsResponse next;
    while (reader_->Read(&next)) {
      if (!file_->Append(next.calls()).ok()) std::abort();
    }
    reader_->Finish();
  });
}

RecordedEngine::~RecordedEngine() {
  admin_.Shutdown();
  server_->Shutdown();
  RemoveFiles();
}

void RecordedEngine::RemoveFiles() const {
  for (const char* ext : {".sock", ".fbr"}) unlink((stem_ + ext).c_str());
}

sim::Recording RecordedEngine::Stop() {
  // This is longer than a block waits for calls.
  std::this_thread::sleep_for(std::chrono::seconds(1));
  context_.TryCancel();
  thread_.join();
  std::ifstream in(stem_ + ".fbr", std::ios::binary);
  ctl::RecordedNotes notes;
  auto recording = ctl::ReadRecordedCalls(&in, &notes);
  if (!recording.ok()) {
    std::fprintf(stderr, "replay_bench: %s\n",
                 recording.status().ToString().c_str());
    std::abort();
  }
  std::printf(
      "recorded: %zu calls, %lld lost, %lld given up, %lld refused, %lld kB\n",
      recording->calls.size(), static_cast<long long>(notes.lost),
      static_cast<long long>(recording->given_up),
      static_cast<long long>(recording->of_nobody),
      static_cast<long long>(file_->bytes() / 1024));
  return *std::move(recording);
}

}  // namespace firebreak::bench
