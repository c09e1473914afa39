#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>

#include "core/errc.hpp"
#include "tests/support/example_message.hpp"
#include "wire/codec.hpp"

/// Keeps docs/PROTOCOL.md true. Every message has a section "### `wire name`" with a table of its
/// fields, its bytes and their meaning; every part of a message has one with a table. After a
/// change of a message mend the table by hand and let
///     HARBINGER_WRITE_EXAMPLES=1 build/dev/tests/unit_protocol_examples
/// write the bytes and their meaning.

using namespace harbinger;

namespace {

constexpr auto document_path = HARBINGER_SOURCE_DIR "/docs/PROTOCOL.md";

std::string read_document() {
  std::ifstream in(document_path);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// From the heading to before the next one; empty when there is none.
std::string section_of(const std::string& document, const std::string& name) {
  auto begin = document.find("\n### `" + name + "`");
  if (begin == std::string::npos) return {};
  auto end = std::min(document.find("\n### ", begin + 1), document.find("\n## ", begin + 1));
  return document.substr(begin, end == std::string::npos ? end : end - begin);
}

/// What stands between "```language" and "```"; nothing when there is no such block.
std::optional<std::string> block_of(const std::string& section, const std::string& language) {
  auto fence = "\n```" + language + "\n";
  auto begin = section.find(fence);
  if (begin == std::string::npos) return std::nullopt;
  begin += fence.size();
  auto end = section.find("```", begin);
  return section.substr(begin, end == std::string::npos ? end : end - begin);
}

/// One line again: see wrapped_text.
std::string without_breaks(std::string text) {
  if (text.ends_with('\n')) text.pop_back();
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

std::string from_hex(const std::string& text) {
  std::istringstream in(text);
  std::string out, digits;
  while (in >> digits) {
    BOOST_TEST_REQUIRE(digits.size() == 2u);
    out += static_cast<char>(std::stoi(digits, nullptr, 16));
  }
  return out;
}

/// Names in the first column of the section's table.
std::vector<std::string> documented_fields(const std::string& section) {
  std::vector<std::string> out;
  std::istringstream in(section);
  for (std::string line; std::getline(in, line);)
    if (line.starts_with("| `")) out.push_back(line.substr(3, line.find('`', 3) - 3));
  return out;
}

struct name_visitor {
  std::vector<std::string> names = {};
  template <class T>
  void operator()(const char* name, T&) {
    names.emplace_back(name);
  }
};

template <class T>
std::vector<std::string> fields_of() {
  T message;
  name_visitor visitor;
  describe(visitor, message);
  return visitor.names;
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const auto& w : words) out += (out.empty() ? "" : " ") + w;
  return out;
}

template <class T>
void check_table(const std::string& document, const std::string& name) {
  auto section = section_of(document, name);
  BOOST_TEST(!section.empty(), "docs/PROTOCOL.md has no section ### `" << name << "`");
  BOOST_TEST(joined(documented_fields(section)) == joined(fields_of<T>()),
             "fields of " << name << ": documented " << joined(documented_fields(section))
                          << ", in the code " << joined(fields_of<T>()));
}

template <class T>
void check_message(const std::string& document) {
  std::string name{T::wire_name};
  check_table<T>(document, name);
  auto section = section_of(document, name);
  auto bytes_text = block_of(section, "hex");
  auto meaning = block_of(section, "text");
  BOOST_TEST((bytes_text && meaning), name << " has no ```hex and ```text blocks");
  if (!bytes_text || !meaning) return;
  auto body = from_hex(*bytes_text);
  auto decoded = wire::decode<T>(body);
  BOOST_TEST(decoded.has_value(), name << ": " << (decoded ? "" : to_string(decoded.error())));
  if (!decoded) return;
  BOOST_TEST((wire::encode(*decoded) == body), name << ": encodes to other bytes than documented");
  BOOST_TEST(without_breaks(*meaning) == test::as_text(*decoded));
}

// --- writing the examples ---

std::string wrapped_hex(std::string_view data) {
  std::string out;
  for (size_t at = 0; at < data.size(); at += 32) out += test::hex(data.substr(at, 32), " ") + "\n";
  return out;
}

/// Broken at spaces after commas.
std::string wrapped_text(std::string text) {
  size_t line = 0;
  for (size_t i = 1; i < text.size(); ++i)
    if (++line > 90 && text[i - 1] == ',' && text[i] == ' ') {
      text[i] = '\n';
      line = 0;
    }
  return text + '\n';
}

void replace_block(std::string& section, const std::string& language, const std::string& content) {
  auto fence = "\n```" + language + "\n";
  auto begin = section.find(fence);
  if (begin == std::string::npos) {
    while (section.ends_with('\n')) section.pop_back();
    section += "\n" + fence + content + "```\n";
    return;
  }
  begin += fence.size();
  section.replace(begin, section.find("```", begin) - begin, content);
}

template <class T>
void write_message(std::string& document) {
  auto section = section_of(document, std::string{T::wire_name});
  if (section.empty()) return;
  auto at = document.find(section);
  auto message = test::example_message<T>();
  auto mended = section;
  replace_block(mended, "hex", wrapped_hex(wire::encode(message)));
  replace_block(mended, "text", wrapped_text(test::as_text(message)));
  document.replace(at, section.size(), mended);
}

} // namespace

// clang-format off
#define HARBINGER_MESSAGE_PARTS(X)                                                                 \
  X(node_address) X(epoch_start) X(metric_spec) X(sample_row) X(record_op) X(write_condition) X(record_row)           \
  X(log_entry) X(node_row) X(volume_row) X(copy_row) X(partition_row) X(zone)
// clang-format on

BOOST_AUTO_TEST_CASE(every_message_is_documented_with_its_fields_and_true_bytes) {
  auto document = read_document();
  BOOST_TEST_REQUIRE(!document.empty());
  if (std::getenv("HARBINGER_WRITE_EXAMPLES")) {
#define HARBINGER_WRITE(T) write_message<T>(document);
    HARBINGER_WIRE_MESSAGES(HARBINGER_WRITE)
    std::ofstream(document_path) << document;
  }
#define HARBINGER_CHECK(T) check_message<T>(document);
  HARBINGER_WIRE_MESSAGES(HARBINGER_CHECK)
}

BOOST_AUTO_TEST_CASE(every_part_of_a_message_is_documented_with_its_fields) {
  auto document = read_document();
#define HARBINGER_CHECK_PART(T) check_table<T>(document, #T);
  HARBINGER_MESSAGE_PARTS(HARBINGER_CHECK_PART)
}

BOOST_AUTO_TEST_CASE(the_example_of_a_whole_frame_is_true) {
  auto section = section_of(read_document(), "frame");
  auto head = block_of(section, "hex");
  BOOST_TEST_REQUIRE(head.has_value());
  BOOST_TEST((from_hex(*head) == wire::encode_header("node.ping", 5)));
  auto read = wire::decode_header(from_hex(*head));
  BOOST_TEST_REQUIRE(read.has_value());
  BOOST_TEST(without_breaks(*block_of(section, "text"))
             == "[\"HB\", " + std::to_string(wire::protocol_version) + ", \"" + read->type + "\", "
                    + std::to_string(read->id) + "]");
}

BOOST_AUTO_TEST_CASE(every_error_code_is_documented) {
  auto section = section_of(read_document(), "errors");
  std::vector<std::string> codes;
  for (int i = 0; i <= static_cast<int>(errc::stale_request); ++i)
    codes.emplace_back(to_string(static_cast<errc>(i)));
  BOOST_TEST(joined(documented_fields(section)) == joined(codes));
}

BOOST_AUTO_TEST_CASE(the_documented_limits_are_the_real_ones) {
  auto section = section_of(read_document(), "limits");
  auto says = [&](const std::string& name, uint64_t value) {
    auto row = "| `" + name + "` | " + std::to_string(value) + " |";
    BOOST_TEST(section.find(row) != std::string::npos, "no row " << row);
  };
  says("header_bytes_max", wire::header_bytes_max);
  says("control_body_max", control_body_max);
  says("bulk_body_max", bulk_body_max);
  says("telemetry_body_max", telemetry_body_max);
  says("depth_max", wire::depth_max);
  says("elements_max", wire::elements_max);
  says("key_bytes_max", key_bytes_max);
  says("value_bytes_max", value_bytes_max);
  says("batch_ops_max", batch_ops_max);
  says("batch_bytes_max", batch_bytes_max);
  says("scan_rows_max", scan_rows_max);
}

BOOST_AUTO_TEST_CASE(every_named_value_is_documented) {
  auto section = section_of(read_document(), "names");
  auto says = [&](auto value) {
    for (const char* name : enum_names(value))
      BOOST_TEST(section.find("`" + std::string(name) + "`") != std::string::npos, name);
  };
  says(replica_role{});
  says(replica_state{});
  says(restore_method{});
  says(op_kind{});
  says(node_state{});
  says(severity{});
  says(metric_kind{});
}
