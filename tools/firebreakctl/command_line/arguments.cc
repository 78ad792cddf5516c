#include "tools/firebreakctl/command_line/arguments.h"

#include <chrono>
#include <cstdint>
#include <iostream>
#include <limits>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "src/core/base/duration.h"
#include "src/engine/policy/presets.h"
#include "tools/firebreakctl/ask/policy_file.h"
#include "tools/firebreakctl/command_line/completion.h"

namespace firebreak::ctl {

CLI::Validator DurationCheck(core::Duration low, core::Duration high,
                             const std::string& range) {
  return CLI::Validator(
      [low, high, range](const std::string& text) -> std::string {
        absl::StatusOr<core::Duration> duration = core::ParseDuration(text);
        if (!duration.ok()) return std::string(duration.status().message());
        if (*duration >= low && *duration <= high) return "";
        return "is " + text + "; allowed " + range;
      },
      "");
}

CLI::Validator TimeoutCheck() {
  return DurationCheck(std::chrono::milliseconds(1), std::chrono::hours(1),
                       "[1ms, 1h]");
}

void AddCommonOptions(CLI::App* app, Arguments* args) {
  app->add_option("--target", args->settings.targets,
                  "Addresses of admin services, in gRPC's terms: host:port, "
                  "unix:/path; several with commas, or several times (default "
                  "127.0.0.1:50051)")
      ->delimiter(',')
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->type_name("TEXT");
  app->add_option("--channel", args->settings.channel,
                  "Only methods of the channels of this name");
  app->add_option("--engine", args->settings.engine,
                  "Which one, where a server's admin service is for several "
                  "engines (default: all; needed for events and policies)");
  app->add_option("--timeout", args->timeout,
                  "How long to wait for an answer: 500ms, 5s (default 5s)")
      ->type_name("DURATION")
      ->check(TimeoutCheck());
  Security& security = args->settings.security;
  app->add_flag("--tls", security.tls,
                "Speak TLS; implied by the next four options");
  app->add_option("--ca", security.ca_file,
                  "PEM file of the authorities that the server's certificate "
                  "may be of (default: the machine's)");
  app->add_option("--cert", security.cert_file,
                  "PEM file of a client certificate");
  app->add_option("--key", security.key_file, "PEM file of the key to it");
  app->add_option("--server-name", security.server_name,
                  "Name that the server's certificate must be of, if not that "
                  "of the target");
  app->add_option("--token-file", security.token_file,
                  "File with the token that a change needs. Not sent in plain "
                  "text over a network");
  app->add_flag("--json", args->settings.json,
                "Print JSON, an object a line: the target, and its response or "
                "error");
}

void AddReason(CLI::App* app, Arguments* args) {
  app->add_option("--reason", args->settings.reason,
                  "Why, for the audit: \"ticket 1234\"");
}

CLI::App* AddCommand(CLI::App* app, Arguments* args, const std::string& name,
                     const std::string& description,
                     const std::string& examples, Command command,
                     Command* chosen) {
  CLI::App* const sub = app->add_subcommand(name, description);
  AddCommonOptions(sub, args);
  sub->footer("Examples:\n" + examples);
  sub->callback([command = std::move(command), chosen] { *chosen = command; });
  return sub;
}

void AddPolicyCommands(CLI::App* app, Arguments* args, Command* chosen,
                       std::function<int()>* local) {
  CLI::App* const policy = app->add_subcommand(
      "policy", "Show, check, compare and replace the policy");
  policy->require_subcommand(1);
  auto add = [&](const char* name, const char* description,
                 const char* examples, Command command) {
    return AddCommand(policy, args, name, description, examples,
                      std::move(command), chosen);
  };
  auto takes_file = [&](CLI::App* sub) {
    return sub
        ->add_option("FILE", args->policy.path,
                     "Policy file, \"-\" for standard input")
        ->type_name("");
  };
  add("get", "Print the policy in force, as a policy file",
      "  firebreakctl policy get >policy.textproto\n"
      "  firebreakctl policy get --json",
      [](Client* client) { return client->GetPolicy(); });
  CLI::App* const lint =
      add("lint", "Say what is most likely not meant",
          "  firebreakctl policy lint policy.textproto   no server is asked\n"
          "  firebreakctl policy lint                    what a server knows, "
          "with the names no call was for\n\n"
          "Exit codes: 0 good, warnings at most; 1 not.",
          nullptr);
  takes_file(lint);
  lint->callback([args, chosen, local] {
    if (args->policy.path.empty()) {
      *chosen = [](Client* client) { return client->LintPolicy(); };
      return;
    }
    *local = [args] {
      return LintPolicyFile(args->policy.path, args->settings.json,
                            args->settings.style);
    };
  });
  takes_file(add("diff", "Tell what a policy file would change",
                 "  firebreakctl policy diff policy.textproto\n\n"
                 "Exit codes: 0 nothing; 1 something; 2 trouble.",
                 [args](Client* client) {
                   return client->DiffPolicy(args->policy.path);
                 }))
      ->required();
  CLI::App* const apply =
      add("apply", "Replace the policy while calls run",
          "  firebreakctl policy apply policy.textproto --target a:1,b:1\n"
          "  firebreakctl policy apply policy.textproto --if-version 3\n\n"
          "Of several servers all or none, as far as a trial can tell.",
          [args](Client* client) { return client->ApplyPolicy(args->policy); });
  takes_file(apply)->required();
  apply
      ->add_option("--if-version", args->policy.if_version,
                   "Only if this version is in force (default: any)")
      ->check(CLI::Range(int64_t{1}, std::numeric_limits<int64_t>::max()));
  apply->add_flag("--force", args->policy.force,
                  "Also when the policy has a finding that is an error, or "
                  "takes a breaker away");
  AddReason(apply, args);
  add("history", "Show the versions that are kept, the one in force first",
      "  firebreakctl policy history",
      [](Client* client) { return client->PolicyHistory(); });
  CLI::App* const rollback =
      add("rollback", "Put an earlier version in force again",
          "  firebreakctl policy rollback            the one before\n"
          "  firebreakctl policy rollback --to 3\n\n"
          "It becomes a new version, and a file that is watched wins when it "
          "changes the next time.",
          [args](Client* client) { return client->RollBack(args->policy); });
  rollback
      ->add_option("--to", args->policy.to_version,
                   "Which version (default: the one before)")
      ->check(CLI::Range(int64_t{1}, std::numeric_limits<int64_t>::max()));
  rollback->add_flag("--force", args->policy.force, "As for `policy apply`");
  AddReason(rollback, args);
  AddCandidateCommands(policy, args, chosen);
}

void AddLocalCommands(CLI::App* app, Arguments* args,
                      std::function<int()>* chosen) {
  app->add_subcommand("presets",
                      "Print the built-in policies and their reasons, as a "
                      "policy file")
      ->footer("Examples:\n  firebreakctl presets >policy.textproto")
      ->callback([chosen] {
        *chosen = [] {
          std::cout << engine::PresetsAsPolicy();
          return kExitOk;
        };
      });
  CLI::App* const completion = app->add_subcommand(
      "completion", "Print what a shell needs to complete these commands");
  completion->footer(
      "Examples:\n"
      "  source <(firebreakctl completion bash)\n"
      "  source <(firebreakctl completion zsh)\n"
      "  firebreakctl completion fish | source");
  completion
      ->add_option("SHELL", args->shell,
                   absl::StrJoin(CompletionShells(), ", "))
      ->required()
      ->type_name("")
      ->check(CLI::IsMember(CompletionShells()));
  completion->callback([app, args, chosen] {
    *chosen = [app, args] {
      std::cout << Completion(*app, args->shell);
      return kExitOk;
    };
  });
}

void Trim(Settings* settings) {
  std::vector<std::string> targets;
  for (const std::string& target : settings->targets) {
    const absl::string_view text = absl::StripAsciiWhitespace(target);
    if (!text.empty()) targets.emplace_back(text);
  }
  settings->targets = std::move(targets);
  absl::StripAsciiWhitespace(&settings->channel);
  absl::StripAsciiWhitespace(&settings->engine);
  absl::StripAsciiWhitespace(&settings->reason);
}

}  // namespace firebreak::ctl
