// Pooling over windows of h and w, forward and backward: the maximum, or the mean over the pixels inside the image.
//
// Activations are `[n, h, w, c]`. For the maximum, a workspace stores its position.
#include "common.h"

namespace femo {

namespace {

using Desc = dnnl::memory::desc;

struct Pooling {
  Dims src, dst;        // n, c, h, w
  Dims window, strides;  // h, w
  Dims before, after;    // padding above and left, below and right
  dnnl::memory::data_type type;
  bool maximum;

  std::vector<int64_t> key() const {
    std::vector<int64_t> numbers{static_cast<int64_t>(type), maximum};
    for (const Dims* each : {&src, &dst, &window, &strides, &before, &after}) append(numbers, *each);
    return numbers;
  }
  dnnl::algorithm algorithm() const {
    return maximum ? dnnl::algorithm::pooling_max : dnnl::algorithm::pooling_avg_exclude_padding;
  }
  Desc src_desc() const { return channels_last(src, type); }
  Desc dst_desc() const { return channels_last(dst, type); }
  dnnl::pooling_forward::primitive_desc forward_desc() const {
    return {cpu(),   dnnl::prop_kind::forward_training, algorithm(), src_desc(), dst_desc(),
            strides, window,                            {0, 0},      before,     after,
            caller_scratch()};
  }
};

Pooling describe(const ffi::AnyBuffer& src, const ffi::AnyBuffer& dst, Numbers window, Numbers strides, Numbers padding,
                 bool maximum) {
  return {activation_dims(src),     activation_dims(dst),     {window[0], window[1]}, {strides[0], strides[1]},
          {padding[0], padding[2]}, {padding[1], padding[3]}, type_of(src),           maximum};
}

struct Compiled {
  dnnl::primitive primitive;
  Desc src, dst, workspace, scratchpad;
};

ffi::Error forward(ffi::AnyBuffer src, ffi::Result<ffi::AnyBuffer> dst, ffi::Result<ffi::AnyBuffer> workspace,
                   Numbers window, Numbers strides, Numbers padding, bool maximum) {
  return run("pooling", [&] {
    static Cache<Compiled> cache;
    const Pooling pooling = describe(src, *dst, window, strides, padding, maximum);
    const Compiled& compiled = cache.get(pooling.key(), [&]() -> Compiled {
      const auto desc = pooling.forward_desc();
      return {dnnl::primitive(desc.get()), pooling.src_desc(), pooling.dst_desc(), desc.workspace_desc(),
              desc.scratchpad_desc()};
    });
    if (compiled.workspace.get_size() > workspace->size_bytes()) {
      throw std::invalid_argument("the workspace is too small");
    }
    compiled.primitive.execute(queue(), {{DNNL_ARG_SRC, view(compiled.src, src)},
                                         {DNNL_ARG_DST, view(compiled.dst, *dst)},
                                         {DNNL_ARG_WORKSPACE, view(compiled.workspace, *workspace)},
                                         {DNNL_ARG_SCRATCHPAD, scratch(Use::kScratchpad, compiled.scratchpad)}});
  });
}

ffi::Error backward(ffi::AnyBuffer diff_dst, ffi::AnyBuffer workspace, ffi::Result<ffi::AnyBuffer> diff_src,
                    Numbers window, Numbers strides, Numbers padding, bool maximum) {
  return run("gradient of a pooling", [&] {
    static Cache<Compiled> cache;
    const Pooling pooling = describe(*diff_src, diff_dst, window, strides, padding, maximum);
    const Compiled& compiled = cache.get(pooling.key(), [&]() -> Compiled {
      const auto forward = pooling.forward_desc();
      const dnnl::pooling_backward::primitive_desc desc(cpu(), pooling.algorithm(), pooling.src_desc(),
                                                        pooling.dst_desc(), pooling.strides, pooling.window, {0, 0},
                                                        pooling.before, pooling.after, forward, caller_scratch());
      return {dnnl::primitive(desc.get()), pooling.src_desc(), pooling.dst_desc(), desc.workspace_desc(),
              desc.scratchpad_desc()};
    });
    compiled.primitive.execute(queue(), {{DNNL_ARG_DIFF_DST, view(compiled.dst, diff_dst)},
                                         {DNNL_ARG_WORKSPACE, view(compiled.workspace, workspace)},
                                         {DNNL_ARG_DIFF_SRC, view(compiled.src, *diff_src)},
                                         {DNNL_ARG_SCRATCHPAD, scratch(Use::kScratchpad, compiled.scratchpad)}});
  });
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(PoolingForward, forward,
                              ffi::Ffi::Bind()
                                  .Arg<ffi::AnyBuffer>()
                                  .Ret<ffi::AnyBuffer>()
                                  .Ret<ffi::AnyBuffer>()
                                  .Attr<Numbers>("window")
                                  .Attr<Numbers>("strides")
                                  .Attr<Numbers>("padding")
                                  .Attr<bool>("maximum"));

XLA_FFI_DEFINE_HANDLER_SYMBOL(PoolingBackward, backward,
                              ffi::Ffi::Bind()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Ret<ffi::AnyBuffer>()
                                  .Attr<Numbers>("window")
                                  .Attr<Numbers>("strides")
                                  .Attr<Numbers>("padding")
                                  .Attr<bool>("maximum"));

}  // namespace femo
