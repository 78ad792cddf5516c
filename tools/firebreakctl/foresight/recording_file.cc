#include "tools/firebreakctl/foresight/recording_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace firebreak::ctl {
namespace {

// Like the signature of PNG: no text begins with it, and a transfer that
// changes line ends is detected. The version of the format follows.
constexpr char kMagic[] =
    "\x89"
    "FBR\r\n\x1a";
constexpr size_t kMagicSize = sizeof(kMagic) - 1;
constexpr uint8_t kVersion = 1;
// Far above the blocks of RecordCalls, which are half a megabyte at most.
constexpr uint32_t kLongestBlock = 2U << 20;
constexpr size_t kFrame = 8;
// The year 2200, and how far a call may begin before or after its block.
constexpr int64_t kLatestNs = 7'258'118'400'000'000'000;
constexpr int64_t kFarthestNs = int64_t{3600} * 24 * 7 * 1'000'000'000;

// The CRC-32 of IEEE 802.3, which zip and PNG use too.
uint32_t Crc(const std::string& bytes) {
  return static_cast<uint32_t>(
      crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

void AppendNumber(uint32_t n, std::string* to) {
  for (int i = 0; i < 4; ++i) to->push_back(static_cast<char>(n >> (8 * i)));
}

uint32_t NumberAt(const std::string& bytes, size_t at) {
  uint32_t n = 0;
  for (size_t i = 0; i < 4; ++i) {
    n |= uint32_t{static_cast<uint8_t>(bytes[at + i])} << (8 * i);
  }
  return n;
}

// Reads `size` bytes. False if there are fewer, which `*bytes` then has.
bool Take(std::istream* in, size_t size, std::string* bytes) {
  bytes->resize(size);
  in->read(bytes->data(), static_cast<std::streamsize>(size));
  bytes->resize(static_cast<size_t>(in->gcount()));
  return bytes->size() == size;
}

// Whether the rest of the stream is zeros, as a file system leaves them after a
// crash. Reads it to its end.
bool OnlyZerosFollow(std::istream* in) {
  int next = 0;
  while (next == 0) next = in->get();
  return next == std::istream::traits_type::eof();
}

}  // namespace

std::string RecordingHeader() {
  return absl::StrCat(absl::string_view(kMagic, kMagicSize),
                      std::string(1, static_cast<char>(kVersion)));
}

std::string RecordingBlock(const std::string& message) {
  std::string framed;
  AppendNumber(static_cast<uint32_t>(message.size()), &framed);
  AppendNumber(Crc(message), &framed);
  return framed + message;
}

absl::StatusOr<std::unique_ptr<RecordingFile>> RecordingFile::Create(
    const std::string& path) {
  const auto failed = [&](absl::string_view why) {
    return absl::FailedPreconditionError(absl::StrCat(path, ": ", why));
  };
  const int fd =
      open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_APPEND, 0644);
  if (fd < 0) return failed(std::strerror(errno));
  struct stat found {};
  const bool is_regular = fstat(fd, &found) == 0 && S_ISREG(found.st_mode);
  auto file =
      std::unique_ptr<RecordingFile>(new RecordingFile(path, fd, is_regular));
  if (is_regular && found.st_size > 0) {
    return failed("there is something in it already; name another file");
  }
  const absl::Status begun = file->Write(RecordingHeader());
  if (!begun.ok()) {
    file->Remove();
    return begun;
  }
  return file;
}

RecordingFile::~RecordingFile() { close(fd_); }

void RecordingFile::Remove() {
  if (is_regular_) unlink(path_.c_str());
}

absl::Status RecordingFile::Write(const std::string& bytes) {
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = write(fd_, bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      const int why = n < 0 ? errno : ENOSPC;
      // If this fails, the incomplete block is read as one that was cut off.
      if (done > 0 && ftruncate(fd_, bytes_) != 0) errno = why;
      return absl::UnavailableError(
          absl::StrCat(path_, ": ", std::strerror(why)));
    }
    done += static_cast<size_t>(n);
  }
  bytes_ += static_cast<int64_t>(bytes.size());
  return absl::OkStatus();
}

absl::Status RecordingFile::Append(const v1::CallBlock& block) {
  const std::string message = block.SerializeAsString();
  // No reader would accept such a block.
  if (message.size() > kLongestBlock) {
    return absl::InvalidArgumentError(
        absl::StrCat(path_, ": a block is too long"));
  }
  return Write(RecordingBlock(message));
}

absl::Status CheckBlock(const v1::CallBlock& block) {
  const auto names = static_cast<uint32_t>(block.names_size());
  const auto check = [&](uint32_t n) { return n < names; };
  for (const v1::RecordedCall& call : block.calls()) {
    bool fits =
        check(call.channel()) && check(call.method()) && check(call.reason());
    for (const v1::RecordedAttempt& attempt : call.attempts()) {
      fits = fits && check(attempt.target()) && check(attempt.attribution()) &&
             check(attempt.stopped());
    }
    if (!fits) {
      return absl::InvalidArgumentError(
          absl::StrCat("has a name past its ", names));
    }
    if (call.started_ns() > kFarthestNs || call.started_ns() < -kFarthestNs) {
      return absl::InvalidArgumentError(
          "has a call that begins more than a week from it");
    }
  }
  if (block.base_ns() < 0 || block.base_ns() > kLatestNs) {
    return absl::InvalidArgumentError(
        "has a time that is not between 1970 and 2200");
  }
  // The time without the skew has to be within these limits too.
  if (block.clock_ahead_ns() > block.base_ns() ||
      block.clock_ahead_ns() < block.base_ns() - kLatestNs) {
    return absl::InvalidArgumentError("has a clock that cannot be");
  }
  if (block.lost() < 0 || block.lost() > kMostLost) {
    return absl::InvalidArgumentError("has lost so many calls as cannot be");
  }
  return absl::OkStatus();
}

bool IsRecordingFile(std::istream* in) {
  return in->peek() == static_cast<uint8_t>(kMagic[0]);
}

absl::StatusOr<BlocksRead> ReadBlocks(
    std::istream* in,
    const std::function<absl::Status(const v1::CallBlock&)>& take) {
  std::string bytes;
  if (!Take(in, kMagicSize + 1, &bytes) ||
      bytes.compare(0, kMagicSize, kMagic, kMagicSize) != 0) {
    return absl::InvalidArgumentError(
        "is no recording: it does not begin as a .fbr file does");
  }
  const auto version = static_cast<uint8_t>(bytes[kMagicSize]);
  if (version != kVersion) {
    return absl::InvalidArgumentError(absl::StrCat(
        "is of version ", version, "; this program reads version ", kVersion,
        version > kVersion ? ", so take a newer one" : ""));
  }
  BlocksRead read;
  uint64_t at = kMagicSize + 1;
  const auto wrong = [&](absl::string_view what) {
    return absl::InvalidArgumentError(
        absl::StrCat("block ", read.blocks + 1, ", at byte ", at, ": ", what));
  };
  std::string payload;
  for (; Take(in, kFrame, &bytes); ++read.blocks) {
    const uint32_t size = NumberAt(bytes, 0);
    const uint32_t crc = NumberAt(bytes, 4);
    if (size == 0) {
      if (crc != 0 || !OnlyZerosFollow(in)) return wrong("is empty");
      read.is_cut = true;
      return read;
    }
    if (size > kLongestBlock) {
      return wrong(
          absl::StrCat("is ", size, " bytes long; allowed ", kLongestBlock));
    }
    if (!Take(in, size, &payload)) {
      read.is_cut = true;
      return read;
    }
    v1::CallBlock block;
    if (Crc(payload) != crc) {
      // The last block may be incomplete although it has its full length.
      if (!OnlyZerosFollow(in)) return wrong("its checksum is another");
      read.is_cut = true;
      return read;
    }
    if (!block.ParseFromString(payload)) return wrong("cannot be parsed");
    const absl::Status sane = CheckBlock(block);
    if (!sane.ok()) return wrong(sane.message());
    const absl::Status taken = take(block);
    if (!taken.ok()) return wrong(taken.message());
    at += kFrame + size;
  }
  if (in->bad()) return absl::UnavailableError("cannot be read");
  read.is_cut = !bytes.empty();
  return read;
}

}  // namespace firebreak::ctl
