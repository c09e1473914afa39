#include "history/packed.hpp"

#include <zstd.h>

#include "core/ensure.hpp"

namespace harbinger {
namespace {
constexpr int level = 6;
} // namespace

struct packer::state {
  std::unique_ptr<ZSTD_CCtx, size_t (*)(ZSTD_CCtx*)> context{ZSTD_createCCtx(), ZSTD_freeCCtx};
  std::string out, waiting;
  uint64_t bytes_in = 0;

  void run(ZSTD_EndDirective how) {
    ZSTD_inBuffer in{waiting.data(), waiting.size(), 0};
    std::string piece(ZSTD_CStreamOutSize(), '\0');
    for (size_t left = 1; left > 0 || in.pos < in.size;) {
      ZSTD_outBuffer to{piece.data(), piece.size(), 0};
      left = ZSTD_compressStream2(context.get(), &to, &in, how);
      ENSURE(!ZSTD_isError(left));
      out.append(piece, 0, to.pos);
      if (how == ZSTD_e_continue && in.pos == in.size) break;
    }
    waiting.clear();
  }
};

packer::packer() : state_(std::make_unique<state>()) {
  ENSURE(state_->context != nullptr);
  ZSTD_CCtx_setParameter(state_->context.get(), ZSTD_c_compressionLevel, level);
}
packer::packer(packer&&) noexcept = default;
packer::~packer() = default;

void packer::add(std::string_view bytes) {
  // Blocks of one size, so that the pieces in which the bytes come leave no trace.
  constexpr size_t block_bytes = 1 << 20;
  state_->bytes_in += bytes.size();
  while (!bytes.empty()) {
    auto n = std::min(bytes.size(), block_bytes - state_->waiting.size());
    state_->waiting.append(bytes.substr(0, n));
    bytes.remove_prefix(n);
    if (state_->waiting.size() == block_bytes) state_->run(ZSTD_e_continue);
  }
}
std::string packer::finish() {
  state_->run(ZSTD_e_end);
  return std::move(state_->out);
}
uint64_t packer::bytes_in() const { return state_->bytes_in; }

byte_source unpack(std::string_view packed, std::string name) {
  struct reading {
    std::unique_ptr<ZSTD_DCtx, size_t (*)(ZSTD_DCtx*)> context{ZSTD_createDCtx(), ZSTD_freeDCtx};
    ZSTD_inBuffer in{nullptr, 0, 0};
    size_t left = 1;
  };
  auto r = std::make_shared<reading>();
  r->in = {packed.data(), packed.size(), 0};
  return [r, name = std::move(name)](char* out, size_t size) -> result<size_t> {
    ZSTD_outBuffer to{out, size, 0};
    while (to.pos == 0) {
      if (r->in.pos == r->in.size && r->left == 0) return size_t{0};
      auto before = r->in.pos;
      r->left = ZSTD_decompressStream(r->context.get(), &to, &r->in);
      if (ZSTD_isError(r->left))
        return fail(errc::malformed, name + ": " + ZSTD_getErrorName(r->left));
      if (to.pos == 0 && r->in.pos == before && r->left != 0)
        return fail(errc::malformed, name + ": ends too early");
    }
    return to.pos;
  };
}

} // namespace harbinger
