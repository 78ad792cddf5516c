// firebreakctl: looks at and controls the circuit breakers of a running process
// through its admin service. `firebreakctl --help` is the manual.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <limits>
#include <string>

#include "absl/types/optional.h"
#include "src/core/duration.h"
#include "src/engine/presets.h"
#include "tools/firebreakctl/commands.h"

namespace firebreak::ctl {
namespace {

constexpr char kMethodHelp[] =
    "\"/shop.v1.PaymentService/Charge\"; its end is enough while it fits one "
    "method only: \"PaymentService/Charge\", \"Charge\"";

constexpr char kExamples[] = R"(Examples:
  firebreakctl list
  firebreakctl show PaymentService/Charge
  firebreakctl override Charge open --for 30s
  firebreakctl clear Charge
  firebreakctl events --follow
  firebreakctl presets
  FIREBREAK_TARGET=unix:/run/shop/admin.sock firebreakctl list --json

Exit codes: 0 done; 1 the server said no or cannot be reached; 2 wrong usage.)";

// The text of a duration within [low, high], which messages call `range`.
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

// What was typed.
struct Arguments {
  Settings settings;
  std::string timeout = "5s";
  std::string method;
  std::string state;
  std::string override_for;
  EventsRequest events;
};

// Options that every command takes, before and after its name.
void AddCommonOptions(CLI::App* app, Arguments* args) {
  app->add_option("--target", args->settings.target,
                  "Address of the admin service, in gRPC's terms: host:port, "
                  "unix:/path (default 127.0.0.1:50051, or the environment's "
                  "FIREBREAK_TARGET)");
  app->add_option("--channel", args->settings.channel,
                  "Only methods of the channels of this name");
  app->add_option("--timeout", args->timeout,
                  "How long to wait for an answer: 500ms, 5s (default 5s)")
      ->type_name("DURATION")
      ->check(DurationCheck(std::chrono::milliseconds(1), std::chrono::hours(1),
                            "[1ms, 1h]"));
  app->add_flag("--json", args->settings.json,
                "Print the answer as JSON; events as one object a line");
}

using Command = std::function<int(Client*)>;

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

void AddCommands(CLI::App* app, Arguments* args, Command* chosen) {
  auto add = [&](const char* name, const char* description,
                 const char* examples, Command command) {
    return AddCommand(app, args, name, description, examples,
                      std::move(command), chosen);
  };
  auto takes_method = [&](CLI::App* sub) {
    sub->add_option("METHOD", args->method, kMethodHelp)
        ->required()
        ->type_name("");
    return sub;
  };

  add("list", "Show every method, its breakers and main figures",
      "  firebreakctl list\n"
      "  firebreakctl list --channel payment --json",
      [](Client* client) { return client->List(); });
  takes_method(
      add("show", "Show all there is to say about one method",
          "  firebreakctl show PaymentService/Charge\n"
          "  firebreakctl show Charge --channel payment --json",
          [args](Client* client) { return client->Show(args->method); }));
  CLI::App* const set = takes_method(
      add("override", "Hold a method's breakers open or closed",
          "  firebreakctl override Charge open --for 30s\n"
          "  firebreakctl override PaymentService/Charge closed",
          [args](Client* client) {
            absl::optional<core::Duration> duration;
            if (!args->override_for.empty()) {
              duration = *core::ParseDuration(args->override_for);
            }
            return client->Override(args->method,
                                    args->state == "open"
                                        ? v1::BREAKER_STATE_FORCED_OPEN
                                        : v1::BREAKER_STATE_FORCED_CLOSED,
                                    duration);
          }));
  set->add_option("STATE", args->state, "open: refuse all; closed: admit all")
      ->required()
      ->type_name("")
      ->check(CLI::IsMember({"open", "closed"}));
  set->add_option("--for", args->override_for,
                  "When the override ends by itself: 30s, 5m (default: only "
                  "by `clear`)")
      ->type_name("DURATION")
      ->check(DurationCheck(core::Duration(1), std::chrono::hours(24 * 30),
                            "(0, 720h]"));
  takes_method(add("clear", "End the override of a method's breakers",
                   "  firebreakctl clear Charge", [args](Client* client) {
                     return client->Clear(args->method);
                   }));
  takes_method(add(
      "reset", "Close a method's breakers, empty their windows, end overrides",
      "  firebreakctl reset Charge\n"
      "  firebreakctl reset Charge --channel payment",
      [args](Client* client) { return client->Reset(args->method); }));
  CLI::App* const events =
      add("events", "Show what happened, oldest first",
          "  firebreakctl events\n"
          "  firebreakctl events --follow --json\n"
          "  firebreakctl events --after 120",
          [args](Client* client) { return client->Events(args->events); });
  // Of the program itself: no server is asked.
  app->add_subcommand("presets",
                      "Print the built-in policies and their reasons, as a "
                      "policy file")
      ->footer("Examples:\n  firebreakctl presets >policy.textproto")
      ->callback([chosen] {
        *chosen = [](Client* /*client*/) {
          std::cout << engine::PresetsAsPolicy();
          return 0;
        };
      });
  events->add_flag("--follow", args->events.follow,
                   "Then go on with what happens, until interrupted");
  events
      ->add_option("--after", args->events.after,
                   "Only events numbered after this one")
      ->check(CLI::Range(int64_t{0}, std::numeric_limits<int64_t>::max()));
}

std::string TargetByDefault() {
  const char* const target = std::getenv("FIREBREAK_TARGET");
  return target == nullptr || *target == '\0' ? "127.0.0.1:50051" : target;
}

// Colours are for a terminal, and for who wants them (no-color.org).
bool WantsColours() {
  const char* const no_colour = std::getenv("NO_COLOR");
  return isatty(STDOUT_FILENO) == 1 &&
         (no_colour == nullptr || *no_colour == '\0');
}

// Usage goes to standard error when it was not asked for.
int ExitOf(const CLI::App& app, const CLI::ParseError& error) {
  if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) {
    return app.exit(error);
  }
  std::cerr << "firebreakctl: " << error.what() << "\n" << app.help();
  return kExitUsage;
}

int Main(int argc, char** argv) {
  CLI::App app(
      "Looks at and controls the circuit breakers of a running process through "
      "its firebreak admin service.",
      "firebreakctl");
  Arguments args;
  args.settings.target = TargetByDefault();
  args.settings.colours = WantsColours();
  Command chosen;
  app.footer(kExamples);
  app.set_version_flag("--version", "firebreakctl " FIREBREAK_VERSION);
  app.require_subcommand(1);
  AddCommonOptions(&app, &args);
  AddCommands(&app, &args, &chosen);
  // CLI11 speaks in exceptions; they end here.
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return ExitOf(app, error);
  }
  args.settings.timeout = *core::ParseDuration(args.timeout);
  Client client(args.settings);
  return chosen(&client);
}

}  // namespace
}  // namespace firebreak::ctl

int main(int argc, char** argv) { return firebreak::ctl::Main(argc, argv); }
