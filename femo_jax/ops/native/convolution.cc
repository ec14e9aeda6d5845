// Two-dimensional convolution: forward (optionally with bias and ReLU) and both gradients.
//
// Activations are `[n, h, w, c]`, weights `[kernel h, kernel w, c / groups, o]`. oneDNN needs a blocked layout of
// weights, which depends on the shapes. Weights are reordered at each call, which costs little compared with the
// convolution, and converted on the way: float32 weights are used with bfloat16 activations, and get a gradient in
// float32.
#include "columns.h"
#include "winograd.h"

namespace femo {

namespace {

using dnnl::convolution_backward_data;
using dnnl::convolution_backward_weights;
using dnnl::convolution_forward;
using Desc = dnnl::memory::desc;
using Type = dnnl::memory::data_type;

std::vector<int64_t> key_of(const Convolution& conv) {
  std::vector<int64_t> numbers{static_cast<int64_t>(conv.type), static_cast<int64_t>(conv.weights_type)};
  for (const Dims* each : {&conv.src, &conv.dst, &conv.weights, &conv.strides, &conv.before, &conv.after}) {
    append(numbers, *each);
  }
  return numbers;
}

// In a memory layout that oneDNN chooses.
Desc packed_weights(const Convolution& conv, Type type) { return {conv.weights, type, dnnl::memory::format_tag::any}; }

Convolution describe(const ffi::AnyBuffer& src, const ffi::AnyBuffer& weights, const ffi::AnyBuffer& dst,
                     Numbers strides, Numbers padding, int64_t groups) {
  const auto hwio = weights.dimensions();
  return {activation_dims(src),
          activation_dims(dst),
          {groups, hwio[3] / groups, hwio[2], hwio[0], hwio[1]},
          {strides[0], strides[1]},
          {padding[0], padding[2]},
          {padding[1], padding[3]},
          type_of(src),
          type_of(weights)};
}

convolution_forward::primitive_desc forward_desc(const Convolution& conv, dnnl::prop_kind kind, bool bias, bool relu) {
  dnnl::primitive_attr attributes = caller_scratch();
  if (relu) {
    dnnl::post_ops after;
    after.append_eltwise(dnnl::algorithm::eltwise_relu, 0.0f, 0.0f);
    attributes.set_post_ops(after);
  }
  return {cpu(),
          kind,
          dnnl::algorithm::convolution_direct,
          channels_last(conv.src, conv.type),
          packed_weights(conv, conv.type),
          bias ? vector_desc(conv.dst[1]) : Desc(),
          channels_last(conv.dst, conv.type),
          conv.strides,
          conv.before,
          conv.after,
          attributes};
}

// A primitive with the reorder of its weights: from JAX's layout before it, or back to it after the weight gradient.
struct Compiled {
  dnnl::primitive primitive;
  Desc src, plain, packed, dst, scratchpad;
  dnnl::reorder reorder;
};

template <typename PrimitiveDesc>
Compiled compile(const PrimitiveDesc& desc, const Convolution& conv, const Desc& packed, bool unpack) {
  // JAX's layout: hwio, with the groups as the slower part of o.
  const Desc plain(conv.weights, conv.weights_type, dnnl::memory::format_tag::hwigo);
  const dnnl::reorder::primitive_desc reorder(cpu(), unpack ? packed : plain, cpu(), unpack ? plain : packed);
  return {dnnl::primitive(desc.get()), channels_last(conv.src, conv.type), plain, packed, channels_last(conv.dst, conv.type), desc.scratchpad_desc(),
          dnnl::reorder(reorder)};
}

dnnl::memory pack(const Compiled& compiled, const ffi::AnyBuffer& weights) {
  const dnnl::memory plain = view(compiled.plain, weights);
  const dnnl::memory packed = scratch(Use::kPackedWeights, compiled.packed);
  compiled.reorder.execute(queue(), {{DNNL_ARG_FROM, plain}, {DNNL_ARG_TO, packed}});
  return packed;
}

ffi::Error forward(ffi::AnyBuffer src, ffi::AnyBuffer weights, ffi::RemainingArgs bias, ffi::Result<ffi::AnyBuffer> dst,
                   Numbers strides, Numbers padding, int64_t groups, bool relu) {
  return run("convolution", [&] {
    static Cache<Compiled> cache;
    const bool has_bias = bias.size() > 0;
    const Convolution conv = describe(src, weights, *dst, strides, padding, groups);
    if (!has_bias && !relu && faster_by_winograd(conv)) {
      static Cache<WinogradConvolution> by_winograd;
      by_winograd.get(key_of(conv), [&] { return WinogradConvolution(conv, WinogradConvolution::Pass::kForward); })
          .execute(src.typed_data<float>(), weights.typed_data<float>(), dst->typed_data<float>());
      return;
    }
    std::vector<int64_t> key = key_of(conv);
    append(key, {has_bias, relu});
    const Compiled& compiled = cache.get(std::move(key), [&] {
      const auto desc = forward_desc(conv, dnnl::prop_kind::forward_inference, has_bias, relu);
      return compile(desc, conv, desc.weights_desc(), false);
    });
    std::unordered_map<int, dnnl::memory> arguments{
        {DNNL_ARG_SRC, view(compiled.src, src)},
        {DNNL_ARG_WEIGHTS, pack(compiled, weights)},
        {DNNL_ARG_DST, view(compiled.dst, *dst)},
        {DNNL_ARG_SCRATCHPAD, scratch(Use::kScratchpad, compiled.scratchpad)}};
    if (has_bias) arguments[DNNL_ARG_BIAS] = view(vector_desc(conv.dst[1]), *bias.get<ffi::AnyBuffer>(0));
    compiled.primitive.execute(queue(), arguments);
  });
}

ffi::Error backward_data(ffi::AnyBuffer diff_dst, ffi::AnyBuffer weights, ffi::Result<ffi::AnyBuffer> diff_src,
                         Numbers strides, Numbers padding, int64_t groups) {
  return run("data gradient of a convolution", [&] {
    static Cache<Compiled> cache;
    const Convolution conv = describe(*diff_src, weights, diff_dst, strides, padding, groups);
    if (faster_by_winograd(conv)) {
      static Cache<WinogradConvolution> by_winograd;
      by_winograd.get(key_of(conv), [&] { return WinogradConvolution(conv, WinogradConvolution::Pass::kBackwardData); })
          .execute(diff_dst.typed_data<float>(), weights.typed_data<float>(), diff_src->typed_data<float>());
      return;
    }
    const Compiled& compiled = cache.get(key_of(conv), [&] {
      const auto hint = forward_desc(conv, dnnl::prop_kind::forward_training, false, false);
      const convolution_backward_data::primitive_desc desc(
          cpu(), dnnl::algorithm::convolution_direct, channels_last(conv.src, conv.type), packed_weights(conv, conv.type), channels_last(conv.dst, conv.type),
          conv.strides, conv.before, conv.after, hint, caller_scratch());
      return compile(desc, conv, desc.weights_desc(), false);
    });
    compiled.primitive.execute(queue(), {{DNNL_ARG_DIFF_DST, view(compiled.dst, diff_dst)},
                                         {DNNL_ARG_WEIGHTS, pack(compiled, weights)},
                                         {DNNL_ARG_DIFF_SRC, view(compiled.src, *diff_src)},
                                         {DNNL_ARG_SCRATCHPAD, scratch(Use::kScratchpad, compiled.scratchpad)}});
  });
}

ffi::Error backward_weights(ffi::AnyBuffer src, ffi::AnyBuffer diff_dst, ffi::Result<ffi::AnyBuffer> diff_weights,
                            Numbers strides, Numbers padding, int64_t groups) {
  return run("weight gradient of a convolution", [&] {
    static Cache<Compiled> cache;
    const Convolution conv = describe(src, *diff_weights, diff_dst, strides, padding, groups);
    if (faster_by_winograd(conv)) {
      static Cache<WinogradWeightGradient> by_winograd;
      by_winograd.get(key_of(conv), [&] { return WinogradWeightGradient(conv); })
          .execute(src.typed_data<float>(), diff_dst.typed_data<float>(), diff_weights->typed_data<float>());
      return;
    }
    if (faster_by_columns(conv)) {
      static Cache<ColumnsWeightGradient> by_columns;
      by_columns.get(key_of(conv), [&] { return ColumnsWeightGradient(conv); })
          .execute(src.untyped_data(), diff_dst.untyped_data(), diff_weights->untyped_data());
      return;
    }
    const Compiled& compiled = cache.get(key_of(conv), [&] {
      const auto hint = forward_desc(conv, dnnl::prop_kind::forward_training, false, false);
      const convolution_backward_weights::primitive_desc desc(
          cpu(), dnnl::algorithm::convolution_direct, channels_last(conv.src, conv.type), packed_weights(conv, conv.weights_type),
          channels_last(conv.dst, conv.type), conv.strides, conv.before, conv.after, hint, caller_scratch());
      return compile(desc, conv, desc.diff_weights_desc(), true);
    });
    const dnnl::memory plain = view(compiled.plain, *diff_weights);
    const bool unpack = compiled.packed != compiled.plain;
    const dnnl::memory packed = unpack ? scratch(Use::kPackedWeights, compiled.packed) : plain;
    compiled.primitive.execute(queue(), {{DNNL_ARG_SRC, view(compiled.src, src)},
                                         {DNNL_ARG_DIFF_DST, view(compiled.dst, diff_dst)},
                                         {DNNL_ARG_DIFF_WEIGHTS, packed},
                                         {DNNL_ARG_SCRATCHPAD, scratch(Use::kScratchpad, compiled.scratchpad)}});
    if (unpack) compiled.reorder.execute(queue(), {{DNNL_ARG_FROM, packed}, {DNNL_ARG_TO, plain}});
  });
}

// Arguments and results of either gradient.
auto gradient_binding() {
  return ffi::Ffi::Bind()
      .Arg<ffi::AnyBuffer>()
      .Arg<ffi::AnyBuffer>()
      .Ret<ffi::AnyBuffer>()
      .Attr<Numbers>("strides")
      .Attr<Numbers>("padding")
      .Attr<int64_t>("groups");
}

}  // namespace

// Whether oneDNN trains in bfloat16 on this processor with instructions for it. With AVX-512 alone it emulates bfloat16
// by float32 and rounding, which takes several times as long as float32.
extern "C" bool TrainsInBfloat16() {
  const int instructions = static_cast<int>(dnnl::get_effective_cpu_isa());
  const int wanted = static_cast<int>(dnnl::cpu_isa::avx512_core_bf16);
  if ((instructions & wanted) != wanted) return false;
  try {
    const Convolution conv{{1, 16, 4, 4}, {1, 16, 4, 4}, {1, 16, 16, 3, 3}, {1, 1}, {1, 1}, {1, 1}, Type::bf16, Type::f32};
    forward_desc(conv, dnnl::prop_kind::forward_training, false, false);
    return true;
  } catch (const dnnl::error&) {
    return false;
  }
}

XLA_FFI_DEFINE_HANDLER_SYMBOL(ConvolutionForward, forward,
                              ffi::Ffi::Bind()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .RemainingArgs()
                                  .Ret<ffi::AnyBuffer>()
                                  .Attr<Numbers>("strides")
                                  .Attr<Numbers>("padding")
                                  .Attr<int64_t>("groups")
                                  .Attr<bool>("relu"));

XLA_FFI_DEFINE_HANDLER_SYMBOL(ConvolutionBackwardData, backward_data, gradient_binding());

XLA_FFI_DEFINE_HANDLER_SYMBOL(ConvolutionBackwardWeights, backward_weights, gradient_binding());

}  // namespace femo
