// What the C++ blocks of README.md and docs/*.md may use without declaring it:
// tests/docs/extract makes a function of each block, and these are the names
// around it. Nothing here is defined, since the blocks are compiled and not
// run.
#ifndef FIREBREAK_TESTS_DOCS_NAMES_H_
#define FIREBREAK_TESTS_DOCS_NAMES_H_

#include <firebreak/admin_auth.h>
#include <firebreak/admin_service.h>
#include <firebreak/attempt_listener.h>
#include <firebreak/call_options.h>
#include <firebreak/call_report.h>
#include <firebreak/classifier.h>
#include <firebreak/engine.h>
#include <firebreak/events.h>
#include <firebreak/fallback.h>
#include <firebreak/log.h>
#include <firebreak/policy_update.h>
#include <firebreak/testing.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <iostream>
#include <memory>
#include <string>

#include "shop/v1/shop.grpc.pb.h"

// What the application has: an engine, a channel and a stub, a server.
extern std::shared_ptr<firebreak::Engine> engine;
extern std::shared_ptr<firebreak::Engine> other_engine;
extern std::shared_ptr<grpc::ChannelCredentials> creds;
extern std::shared_ptr<grpc::Channel> channel;
extern std::unique_ptr<shop::v1::PaymentService::Stub> stub;
extern grpc::ServerBuilder builder;
extern std::unique_ptr<grpc::Server> server;
extern firebreak::AdminService admin;

// What it has in a handler of a server call that makes a call.
extern grpc::ServerContext* server_context;
extern grpc::ClientContext context;
extern shop::v1::ChargeRequest request;
extern shop::v1::ChargeReply reply;

// Its own functions.
int Fail(const absl::Status& status);
std::string ReadFile(const std::string& path);
void Log(const std::string& line);
grpc::Status AskReplica(const grpc::ByteBuffer& request,
                        grpc::ByteBuffer* reply);
void Page(const std::string& subject, const std::string& text);

#endif  // FIREBREAK_TESTS_DOCS_NAMES_H_
