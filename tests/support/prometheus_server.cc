#include "tests/support/prometheus_server.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace firebreak::testing {
namespace {

std::string MakeDir() {
  std::string dir = std::filesystem::temp_directory_path() / "firebreak-XXXXXX";
  if (mkdtemp(dir.data()) == nullptr) std::abort();
  return dir;
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::size_t Append(char* data, std::size_t size, std::size_t n, void* to) {
  static_cast<std::string*>(to)->append(data, size * n);
  return size * n;
}

std::string Escaped(const std::string& text) {
  const std::unique_ptr<char, void (*)(void*)> escaped(
      curl_easy_escape(nullptr, text.data(), static_cast<int>(text.size())),
      curl_free);
  return escaped.get();
}

}  // namespace

absl::optional<std::string> HttpGet(const std::string& url) {
  static const bool initialized =
      curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  const std::unique_ptr<CURL, void (*)(CURL*)> curl(curl_easy_init(),
                                                    curl_easy_cleanup);
  if (!initialized || curl == nullptr) return absl::nullopt;
  std::string body;
  curl_easy_setopt(curl.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_NOPROXY, "*");
  curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT, 30L);
  curl_easy_setopt(curl.get(), CURLOPT_FAILONERROR, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, Append);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &body);
  if (curl_easy_perform(curl.get()) != CURLE_OK) return absl::nullopt;
  return body;
}

PrometheusServer::PrometheusServer(const std::string& program, int target_port,
                                   const std::string& rules)
    : dir_(MakeDir()) {
  const std::string config = dir_ + "/prometheus.yml";
  std::ofstream(config) << absl::StrCat(
      "global: {scrape_interval: 500ms, scrape_timeout: 500ms, "
      "evaluation_interval: 500ms}\n",
      rules.empty() ? "" : absl::StrCat("rule_files: ['", rules, "']\n"),
      "scrape_configs:\n"
      "  - job_name: shop\n"
      "    static_configs: [{targets: ['127.0.0.1:",
      target_port, "']}]\n");
  const std::string config_flag = "--config.file=" + config;
  const std::string data_flag = "--storage.tsdb.path=" + dir_ + "/data";
  const std::string log = dir_ + "/log";
  pid_ = fork();
  if (pid_ == 0) {
    // After a fork() of a program with threads, only system calls are safe.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int out = open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    execl(program.c_str(), program.c_str(), config_flag.c_str(),
          data_flag.c_str(), "--web.listen-address=127.0.0.1:0",
          static_cast<char*>(nullptr));
    _exit(127);
  }
  for (int i = 0; i < 6'000 && !IsReady(); ++i) {
    if (waitpid(pid_, nullptr, WNOHANG) == pid_) {
      pid_ = -1;
      return;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

PrometheusServer::~PrometheusServer() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  std::error_code ignored;
  std::filesystem::remove_all(dir_, ignored);
}

std::string PrometheusServer::log() const { return ReadFile(dir_ + "/log"); }

// The port is read from its log, since it was started with port 0.
bool PrometheusServer::IsReady() {
  // A part of the line "... Listening on" address=127.0.0.1:PORT ...".
  constexpr absl::string_view kAddress = " address=127.0.0.1:";
  const std::string text = log();
  const absl::string_view said = text;
  const size_t at = said.find(kAddress, said.find("Listening on"));
  if (at == absl::string_view::npos) return false;
  const size_t from = at + kAddress.size();
  const size_t end = said.find_first_not_of("0123456789", from);
  int port = 0;
  if (end == absl::string_view::npos ||
      !absl::SimpleAtoi(said.substr(from, end - from), &port)) {
    return false;
  }
  if (!HttpGet(absl::StrCat("http://127.0.0.1:", port, "/-/ready"))) {
    return false;
  }
  port_ = port;
  return true;
}

nlohmann::json PrometheusServer::Get(const std::string& path) const {
  const auto body =
      HttpGet(absl::StrCat("http://127.0.0.1:", port_, "/api/v1/", path));
  if (!body) return nullptr;
  const auto answer = nlohmann::json::parse(*body, nullptr, false);
  if (!answer.is_object() || !answer.contains("data")) return nullptr;
  return answer["data"];
}

std::vector<PrometheusServer::Series> PrometheusServer::QueryAll(
    const std::string& promql) const {
  std::vector<Series> all;
  const nlohmann::json data = Get("query?query=" + Escaped(promql));
  if (data.is_null()) return all;
  for (const auto& each : data.at("result")) {
    all.push_back({each.at("metric").get<std::map<std::string, std::string>>(),
                   std::stod(each.at("value").at(1).get<std::string>())});
  }
  return all;
}

absl::optional<double> PrometheusServer::Query(
    const std::string& promql) const {
  const std::vector<Series> all = QueryAll(promql);
  if (all.size() != 1) return absl::nullopt;
  return all.front().value;
}

}  // namespace firebreak::testing
