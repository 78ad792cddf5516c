// How commands ask servers: the templates of Client, for the files that
// implement its commands.
#ifndef FIREBREAK_TOOLS_FIREBREAKCTL_ASK_COMMANDS_ASK_H_
#define FIREBREAK_TOOLS_FIREBREAKCTL_ASK_COMMANDS_ASK_H_

#include <algorithm>
#include <iostream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tools/firebreakctl/ask/commands.h"
#include "tools/firebreakctl/show/json.h"

namespace firebreak::ctl {

template <class Request, class Response>
Answers<Response> Client::AskAll(Rpc<Request, Response> rpc,
                                 const Request& request) const {
  return AskEach(rpc, std::vector<Request>(targets_.size(), request));
}

template <class Request, class Response>
Answers<Response> Client::AskEach(Rpc<Request, Response> rpc,
                                  const std::vector<Request>& requests) const {
  Answers<Response> answers(targets_.size());
  std::vector<std::thread> threads;
  for (size_t i = 0; i < targets_.size(); ++i) {
    threads.emplace_back([this, rpc, &requests, &answers, i] {
      const Target& target = targets_[i];
      answers[i].target = target.name;
      grpc::ClientContext context;
      Begin(&context);
      const grpc::Status status = (target.stub.get()->*rpc)(
          &context, requests[i], &answers[i].response);
      if (status.ok()) return;
      answers[i].error = Explain(target.name, status);
      answers[i].is_not_found =
          status.error_code() == grpc::StatusCode::NOT_FOUND;
      answers[i].response.Clear();
    });
  }
  for (std::thread& thread : threads) thread.join();
  return answers;
}

template <class Response>
void Client::PrintJson(const Answers<Response>& answers) const {
  for (const Answer<Response>& each : answers) {
    std::cout << ToJsonLine(each.target, each.error, each.response);
  }
}

template <class Response>
void Client::KeepThoseThatKnow(Answers<Response>* answers) const {
  if (std::none_of(answers->begin(), answers->end(),
                   [](const auto& each) { return each.error.empty(); })) {
    return;
  }
  answers->erase(
      std::remove_if(answers->begin(), answers->end(),
                     [](const auto& each) { return each.is_not_found; }),
      answers->end());
}

template <class Response>
int Client::TellFailures(const Answers<Response>& answers) {
  int exit_code = kExitOk;
  for (const Answer<Response>& each : answers) {
    if (each.error.empty()) continue;
    Complain(each.error);
    exit_code = kExitFailed;
  }
  return exit_code;
}

template <class Response>
bool Client::AllFailed(const Answers<Response>& answers) const {
  if (std::any_of(answers.begin(), answers.end(),
                  [](const auto& each) { return each.error.empty(); })) {
    return false;
  }
  for (const Answer<Response>& each : answers) Complain(each.error);
  return true;
}

template <class Response, class Render>
int Client::PrintEach(const Answers<Response>& answers,
                      const Render& render) const {
  if (AllFailed(answers)) return kExitFailed;
  const int exit_code = TellFailures(answers);
  if (settings_.json) {
    PrintJson(answers);
    return exit_code;
  }
  const char* separator = "";
  for (const Answer<Response>& each : answers) {
    std::cout << std::exchange(separator, "\n");
    if (answers.size() > 1) std::cout << "== " << each.target << "\n";
    std::cout << (each.error.empty() ? render(each.response) : "no answer\n");
  }
  return exit_code;
}

}  // namespace firebreak::ctl

#endif  // FIREBREAK_TOOLS_FIREBREAKCTL_ASK_COMMANDS_ASK_H_
