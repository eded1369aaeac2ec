//===- InspectTest.cpp - Text, names and disassembly of nibble-inspect ------------------------===//
#include "lib/Inspect/Disassembly.h"
#include "lib/Inspect/Names.h"
#include "lib/Inspect/Table.h"

#include <cstring>
#include <elf.h>
#include <gmock/gmock.h>

using namespace nibble;
using testing::HasSubstr;

TEST(Text, Numbers) {
  EXPECT_EQ(countText(0), "0");
  EXPECT_EQ(countText(999), "999");
  EXPECT_EQ(countText(1234567), "1,234,567");
  EXPECT_EQ(bytesText(1023), "1023 B");
  EXPECT_EQ(bytesText(1536), "1.5 KiB");
  EXPECT_EQ(bytesText((1 << 20) - 1), "1.0 MiB"); // not 1024.0 KiB
  EXPECT_EQ(bytesText(UINT64_MAX), "16777216.0 TiB");
  EXPECT_EQ(fixedText(4.5), "4.50");
}

TEST(Text, NothingThatATerminalObeys) {
  EXPECT_EQ(printable("a\x1b[31mb\n\x7f"), "a?[31mb??");
  EXPECT_EQ(printable("Zürich"), "Zürich");
  EXPECT_EQ(printable("a\xff"
                      "b"),
            "a?b");
}

TEST(Text, Columns) {
  Table table({"name", ">size"});
  table.add({"ü", "1"});
  table.addHeading("a heading that is wider than any of the columns");
  table.add({"longer name", "22"});
  std::string text;
  llvm::raw_string_ostream stream(text);
  table.print(stream, 1);
  EXPECT_EQ(text, " name         size\n"
                  " ü               1\n"
                  " a heading that is wider than any of the columns\n"
                  " longer name    22\n");
}

TEST(Names, Nearest) {
  std::vector<std::string> known = {"alpha", "beta", "gamma.beta", "delta"};
  EXPECT_EQ(nearestNames("alpa", std::span(known).first(1)), "; the nearest is alpha");
  EXPECT_EQ(nearestNames("beta", known), "; the nearest are beta, gamma.beta and delta");
  EXPECT_EQ(nearestNames("x", {}), "; it has none");
  EXPECT_THAT(nearestNames(std::string(100000, 'x'), known), HasSubstr("nearest"));
}

TEST(Names, Layers) {
  auto parts = splitLayer("model.layers.12.mlp.up_proj.weight");
  ASSERT_TRUE(parts);
  EXPECT_EQ(parts->prefix, "model.layers.");
  EXPECT_EQ(parts->layer, 12u);
  EXPECT_EQ(parts->suffix, "mlp.up_proj.weight");
  for (const char *name : {"model.norm.weight", "model.layers.", "model.layers.x.y", "model.layers.3",
                           "model.layers.99999999999999999999999.w"})
    EXPECT_FALSE(splitLayer(name)) << name;
  EXPECT_EQ(rangesText({}), "");
  EXPECT_EQ(rangesText({0, 1, 2, 5, 7, 8}), "0-2,5,7-8");
}

/// An ELF header for a machine, then bytes.
static std::vector<std::byte> image(uint16_t machine, std::vector<uint8_t> code) {
  Elf64_Ehdr header{};
  header.e_machine = machine;
  std::vector<std::byte> bytes(sizeof(header) + code.size());
  std::memcpy(bytes.data(), &header, sizeof(header));
  std::memcpy(bytes.data() + sizeof(header), code.data(), code.size());
  return bytes;
}

TEST(Disassembly, LabelsAndConstants) {
  // By hand, from the instruction set's manual. The header has 64 bytes, the code 20; then a constant.
  std::vector<std::byte> bytes =
      image(EM_X86_64, {
                           0x31, 0xc0,                         // xor eax, eax
                           0x48, 0x83, 0xc0, 0x01,             // add rax, 1
                           0x75, 0xfa,                         // jne -6
                           0xc5, 0xf8, 0x28, 0x05, 4, 0, 0, 0, // vmovaps xmm0, [rip + 4]
                           0xc3,                               // ret
                           0x06,                               // none in 64-bit mode
                           0x74, 0x10,                         // je out of the code
                           1,    2,    3,    4,
                       });
  Result<std::string> text = disassemble({bytes, 64, 20});
  ASSERT_TRUE(text) << text.error().message;
  EXPECT_EQ(*text, "000000:  xorl            %eax, %eax\n"
                   ".L1:\n"
                   "000002:  addq            $1, %rax\n"
                   "000006:  jne             .L1\n"
                   "000008:  vmovaps         .C1(%rip), %xmm0\n"
                   "000010:  retq\n"
                   "000011:  .byte   0x06\n"
                   "000012:  je              0x64\n"
                   "# .C1 is at 0x54 of the image\n");
}

TEST(Disassembly, Refusals) {
  std::vector<std::byte> bytes = image(EM_X86_64, {0xc3});
  for (auto [begin, size] :
       {std::pair<uint64_t, uint64_t>{64, 2}, {66, 0}, {UINT64_MAX, 2}, {1, UINT64_MAX}}) {
    Result<std::string> text = disassemble({bytes, begin, size});
    ASSERT_FALSE(text);
    EXPECT_EQ(text.error().message, "the code lies outside of its image");
  }
  std::vector<std::byte> other = image(EM_MIPS, {0});
  EXPECT_THAT(disassemble({other, 64, 1}).error().message, HasSubstr("ELF machine 8; x86-64 and AArch64"));
  EXPECT_THAT(disassemble({std::span(bytes).first(10), 0, 1}).error().message, HasSubstr("no ELF file"));
  std::vector<std::byte> arm = image(EM_AARCH64, {0xc0, 0x03, 0x5f, 0xd6}); // ret
  EXPECT_EQ(disassemble({arm, 64, 4}).value_or("?"), "000000:  ret\n");
}
