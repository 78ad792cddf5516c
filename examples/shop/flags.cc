#include "examples/shop/flags.h"

namespace shop {

absl::optional<int> ParseFlags(CLI::App* app, int argc, char** argv) {
  try {
    app->parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app->exit(error) == 0 ? 0 : 2;
  }
  return absl::nullopt;
}

std::string Beside(const std::string& program, const std::string& file) {
  return program.substr(0, program.rfind('/') + 1) + file;
}

}  // namespace shop
