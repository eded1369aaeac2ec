// The products of nibbles and of bytes, down to the machine's instructions, for each target at its own width.
//
// DEFINE: %{lanes} = 8
// DEFINE: %{bytes} = 32
// DEFINE: %{target} =
// DEFINE: %{machine} =
// DEFINE: %{asm} = sed -e 's/LANES/%{lanes}/g' -e 's/BYTES/%{bytes}/g' %s | nibble-opt --nibble-codegen-cpu=target=%{target} | mlir-translate --mlir-to-llvmir | llc -O3 %{machine}
//
// REDEFINE: %{lanes} = 4
// REDEFINE: %{bytes} = 16
// REDEFINE: %{target} = x86-64
// REDEFINE: %{machine} = -mtriple=x86_64-unknown-linux-gnu -mcpu=x86-64
// RUN: %{asm} | FileCheck %s --check-prefix=SSE2
// REDEFINE: %{machine} = -mtriple=aarch64-unknown-linux-gnu
// REDEFINE: %{target} = neon
// RUN: %{asm} | FileCheck %s --check-prefix=NEON
// REDEFINE: %{machine} = -mtriple=aarch64-unknown-linux-gnu -mattr=+dotprod
// REDEFINE: %{target} = dotprod
// RUN: %{asm} | FileCheck %s --check-prefix=SDOT
// REDEFINE: %{machine} = -mtriple=aarch64-unknown-linux-gnu -mattr=+i8mm
// REDEFINE: %{target} = i8mm
// RUN: %{asm} | FileCheck %s --check-prefix=USDOT
// REDEFINE: %{lanes} = 8
// REDEFINE: %{bytes} = 32
// REDEFINE: %{target} = x86-64-v3
// REDEFINE: %{machine} = -mtriple=x86_64-unknown-linux-gnu -mcpu=x86-64-v3
// RUN: %{asm} | FileCheck %s --check-prefixes=MADDUBS,YMM
// REDEFINE: %{target} = avx-vnni
// REDEFINE: %{machine} = -mtriple=x86_64-unknown-linux-gnu -mcpu=x86-64-v3 -mattr=+avxvnni
// RUN: %{asm} | FileCheck %s --check-prefixes=VNNI,VEX
// REDEFINE: %{lanes} = 16
// REDEFINE: %{bytes} = 64
// REDEFINE: %{target} = avx512
// REDEFINE: %{machine} = -mtriple=x86_64-unknown-linux-gnu -mcpu=x86-64-v4
// RUN: %{asm} | FileCheck %s --check-prefixes=MADDUBS,ZMM
// REDEFINE: %{target} = avx512-vnni
// REDEFINE: %{machine} = -mtriple=x86_64-unknown-linux-gnu -mcpu=x86-64-v4 -mattr=+avx512vnni
// RUN: %{asm} | FileCheck %s --check-prefixes=VNNI,EVEX
// REDEFINE: %{target} = avx512-bf16
// RUN: %{asm} | FileCheck %s --check-prefixes=VNNI,EVEX

// A chain of two shares one pmaddwd.
// VNNI-LABEL: nibbles:
// VEX-COUNT-2: {vex} vpdpbusd {{.*}}%ymm
// EVEX-COUNT-2: vpdpbusd {{.*}}%zmm
// MADDUBS-LABEL: nibbles:
// MADDUBS-DAG: vpmaddubsw
// MADDUBS-DAG: vpmaddubsw
// MADDUBS: vpaddw
// YMM: vpmaddwd {{.*}}%ymm
// ZMM: vpmaddwd {{.*}}%zmm
// MADDUBS-NOT: vpmaddwd
// MADDUBS: vpaddd
// SSE2-LABEL: nibbles:
// SSE2-NOT: pmaddubsw
// SSE2-COUNT-4: pmaddwd
// NEON-LABEL: nibbles:
// NEON-DAG: smull v{{.*}}.8b
// NEON-DAG: smull2 v{{.*}}.16b
// NEON-DAG: sml{{a|u}}l{{2?}} v
// NEON: addp v{{.*}}.8h
// NEON: sadalp v{{.*}}.4s, v{{.*}}.8h
// NEON: ret
// SDOT-LABEL: nibbles:
// SDOT-COUNT-2: sdot v
// SDOT-NOT: sdot
// USDOT-LABEL: nibbles:
// USDOT-COUNT-2: usdot v
func.func @nibbles(%acc: vector<LANESxi32>, %a: vector<BYTESxi8>, %b: vector<BYTESxi8>) -> vector<LANESxi32> {
  %0 = lowbit.dot4 %acc, %a, %b {unsigned_max = 15 : i32} : vector<LANESxi32>, vector<BYTESxi8>
  %1 = lowbit.dot4 %0, %b, %a {unsigned_max = 15 : i32} : vector<LANESxi32>, vector<BYTESxi8>
  return %1 : vector<LANESxi32>
}

// VNNI-LABEL: bytes:
// VNNI: vpdpbusd
// VNNI-NOT: pmadd
// MADDUBS-LABEL: bytes:
// MADDUBS-NOT: vpmaddubsw
// MADDUBS-COUNT-2: vpmaddwd
// SSE2-LABEL: bytes:
// SSE2-COUNT-2: pmaddwd
// NEON-LABEL: bytes:
// NEON-DAG: saddlp v{{.*}}.8h, v{{.*}}.16b
// NEON-DAG: smull v
// NEON-DAG: smull2 v
// NEON: ret
// SDOT-LABEL: bytes:
// SDOT-COUNT-2: sdot v
// SDOT: sub v
// USDOT-LABEL: bytes:
// USDOT: usdot v
// USDOT-NOT: {{[[:space:]]}}sdot
func.func @bytes(%acc: vector<LANESxi32>, %a: vector<BYTESxi8>, %b: vector<BYTESxi8>) -> vector<LANESxi32> {
  %0 = lowbit.dot4 %acc, %a, %b : vector<LANESxi32>, vector<BYTESxi8>
  return %0 : vector<LANESxi32>
}
