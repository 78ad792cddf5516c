#include "tests/support/load.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/support/call_log.h"

namespace firebreak::testing {

void Load::Run() {
  std::thread cancels([this] { RunCancels(); });
  std::vector<std::thread> threads;
  for (int i = 0; i < kSyncThreads; ++i) {
    threads.emplace_back([this] { RunSync(); });
  }
  threads.emplace_back([this] { RunCallback(); });
  threads.emplace_back([this] { RunQueue(/*split=*/false); });
  threads.emplace_back([this] { RunQueue(/*split=*/true); });
  for (auto& thread : threads) thread.join();
  {
    std::lock_guard<std::mutex> lock(cancels_mu_);
    cancels_stop_ = true;
    cancels_changed_.notify_all();
  }
  cancels.join();
}

std::shared_ptr<LoadCall> Load::Take() {
  const size_t id = next_.fetch_add(1);
  if (id >= end_) return nullptr;
  auto call = std::make_shared<LoadCall>(id, hooks_.plan(id));
  call->call.context.AddMetadata(kCallIdKey, absl::StrCat(id));
  if (call->plan.deadline.has_value()) {
    call->call.context.set_deadline(std::chrono::system_clock::now() +
                                    *call->plan.deadline);
  }
  if (!call->plan.cancel.has_value()) return call;
  if (*call->plan.cancel == std::chrono::milliseconds(0)) {
    SendCancel(call.get());
    return call;
  }
  std::lock_guard<std::mutex> lock(cancels_mu_);
  cancels_.emplace(Clock::now() + *call->plan.cancel, call);
  cancels_changed_.notify_one();
  return call;
}

std::unique_ptr<Echo::Stub> Load::StubFor(const LoadCall& call) const {
  return Echo::NewStub(hooks_.channel(call.plan.lane));
}

void Load::SendCancel(LoadCall* call) {
  call->cancel_sent = true;
  call->call.context.TryCancel();
}

void Load::End(LoadCall* call) {
  if (call->ends.fetch_add(1) != 0) {
    ++ended_twice_;
    return;
  }
  hooks_.ended(*call);
  ++ended_;
}

void Load::RunSync() {
  while (auto call = Take()) {
    UnaryCall& c = call->call;
    c.status = StubFor(*call)->Unary(&c.context, c.request, &c.reply);
    End(call.get());
  }
}

void Load::RunCallback() {
  std::mutex mu;
  std::condition_variable changed;
  std::vector<LoadCall*> done;
  // The callback does not own the call, since a context must not be destroyed
  // inside its own callback.
  std::map<LoadCall*, std::shared_ptr<LoadCall>> in_flight;
  for (;;) {
    std::shared_ptr<LoadCall> call;
    while (in_flight.size() < kWindow && (call = Take()) != nullptr) {
      LoadCall* const raw = call.get();
      in_flight.emplace(raw, std::move(call));
      UnaryCall& c = raw->call;
      StubFor(*raw)->async()->Unary(
          &c.context, &c.request, &c.reply,
          [this, raw, &mu, &changed, &done](grpc::Status status) {
            raw->call.status = std::move(status);
            End(raw);
            std::lock_guard<std::mutex> lock(mu);
            done.push_back(raw);
            changed.notify_one();
          });
    }
    if (in_flight.empty()) return;
    std::vector<LoadCall*> ended;
    {
      std::unique_lock<std::mutex> lock(mu);
      changed.wait(lock, [&] { return !done.empty(); });
      ended.swap(done);
    }
    for (LoadCall* each : ended) in_flight.erase(each);
  }
}

void Load::RunQueue(bool split) {
  grpc::CompletionQueue cq;
  std::map<LoadCall*, std::shared_ptr<LoadCall>> in_flight;
  void* tag = nullptr;
  bool ok = false;
  for (;;) {
    std::shared_ptr<LoadCall> call;
    while (in_flight.size() < kWindow && (call = Take()) != nullptr) {
      UnaryCall& c = call->call;
      call->reader = StubFor(*call)->AsyncUnary(&c.context, c.request, &cq);
      call->tags_left = split ? 2 : 1;
      if (split) call->reader->ReadInitialMetadata(&call->metadata_tag);
      call->reader->Finish(&c.reply, &c.status, &call->finish_tag);
      in_flight.emplace(call.get(), call);
    }
    if (in_flight.empty()) break;
    cq.Next(&tag, &ok);
    const LoadCall::Tag which = *static_cast<LoadCall::Tag*>(tag);
    // gRPC does not guarantee which of the two tags comes first.
    if (which.is_finish) End(which.owner);
    if (--which.owner->tags_left == 0) in_flight.erase(which.owner);
  }
  cq.Shutdown();
  while (cq.Next(&tag, &ok)) ++ended_twice_;
}

void Load::RunCancels() {
  std::unique_lock<std::mutex> lock(cancels_mu_);
  while (!cancels_stop_ || !cancels_.empty()) {
    if (cancels_.empty()) {
      cancels_changed_.wait(lock);
      continue;
    }
    const auto next = cancels_.begin();
    if (next->first > Clock::now()) {
      cancels_changed_.wait_until(lock, next->first);
      continue;
    }
    const std::shared_ptr<LoadCall> call = std::move(next->second);
    cancels_.erase(next);
    lock.unlock();
    SendCancel(call.get());
    lock.lock();
  }
}

}  // namespace firebreak::testing
