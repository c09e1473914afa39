#include "store/rocks_direct_files.hpp"

#include <rocksdb/file_system.h>

#include "store/direct_file.hpp"
#include "store/rocks_bridge.hpp"

namespace harbinger::rocks {
namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

IOStatus status_of(const result<void>& done) {
  if (done) return IOStatus::OK();
  auto& why = done.error();
  return why.code == errc::no_space ? IOStatus::NoSpace(why.detail) : IOStatus::IOError(why.detail);
}

class written_file final : public rocksdb::FSWritableFile {
public:
  explicit written_file(std::unique_ptr<direct_file> file) : file_(std::move(file)) {}

  using rocksdb::FSWritableFile::Append;
  IOStatus Append(const rocksdb::Slice& data, const IOOptions&, IODebugContext*) override {
    return status_of(file_->append(view(data)));
  }
  IOStatus Close(const IOOptions&, IODebugContext*) override {
    return synced_ == file_->size() ? IOStatus::OK() : finish();
  }
  IOStatus Flush(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Sync(const IOOptions&, IODebugContext*) override { return finish(); }
  uint64_t GetFileSize(const IOOptions&, IODebugContext*) override { return file_->size(); }

private:
  IOStatus finish() {
    auto done = file_->sync();
    if (done) synced_ = file_->size();
    return status_of(done);
  }
  std::unique_ptr<direct_file> file_;
  uint64_t synced_ = 0;
};

class direct_file_system final : public rocksdb::FileSystemWrapper {
public:
  using rocksdb::FileSystemWrapper::FileSystemWrapper;
  static const char* kClassName() { return "harbinger_direct"; }
  const char* Name() const override { return kClassName(); }

  IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                           std::unique_ptr<rocksdb::FSWritableFile>* out,
                           IODebugContext* debug) override {
    auto file = direct_file::create(path);
    if (file) {
      *out = std::make_unique<written_file>(std::move(*file));
      return IOStatus::OK();
    }
    if (file.error().code != errc::unsupported)
      return status_of(tl::unexpected<error>(file.error()));
    return FileSystemWrapper::NewWritableFile(path, options, out, debug);
  }
};

} // namespace

std::unique_ptr<rocksdb::Env> make_direct_env(rocksdb::Env& base) {
  return rocksdb::NewCompositeEnv(std::make_shared<direct_file_system>(base.GetFileSystem()));
}

} // namespace harbinger::rocks
