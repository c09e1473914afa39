#pragma once

/// Which life of every node is the newest, and how it ended. Pure.

#include <map>
#include <vector>

#include "history/journal_text.hpp"
#include "messages/catalog.hpp"

namespace harbinger {

/// Tells from the catalog's rows and from what is heard of nodes what goes into the journal. Only
/// of a life that was heard of in this session (since the service was started) does it say that it
/// failed: the end of another one was not watched, and it may have said goodbye unheard.
class life_book {
public:
  static constexpr size_t nodes_max = 10'000; ///< more are passed over
  using marks = std::vector<journal_text::mark>;

  enum class state : uint8_t { alive, failed, left };
  struct life {
    incarnation id;
    bool heard = false;
    life_book::state state = life_book::state::alive;
    int64_t ended_ms = 0;
    std::string cause;
  };

  /// A row of this life was accepted. False when it is not to be kept: an older life than the
  /// newest, or one node too many.
  bool hear(const node_id& node, incarnation life, int64_t now_ms, marks& out);
  /// A row of the catalog, as it is now: dead: it failed; alive again in the same life: back; a new
  /// life without a goodbye of the one before: that failed.
  void see(const node_row& row, int64_t now_ms, marks& out);
  /// It said that it goes. What is dead already stays so.
  void leave(const node_id& node, incarnation life, int64_t now_ms, marks& out);
  /// What the newest segment knows.
  void restore(const journal_text::segment& from, bool same_session);

  const std::map<node_id, life>& lives() const { return lives_; }

private:
  life* at(const node_id& node, incarnation id, int64_t now_ms, marks& out);
  std::map<node_id, life> lives_;
};

} // namespace harbinger
