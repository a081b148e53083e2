/// Renamings and conversions of transformers 5.24.0, from what lies on disk to the modules in memory.
///
/// Made by Fixtures/generator/conversions.py; what the lines mean: ``ConversionRules``.
enum ConversionTable {
  static let version = "5.24.0"

  static let text = #"""
    family BeitBackbone
    ^fpn1\.0\. > fpn.fpn1.conv_transpose1.
    ^fpn1\.1\. > fpn.fpn1.normalization.
    ^fpn1\.3\. > fpn.fpn1.conv_transpose2.
    ^fpn2\.0\. > fpn.fpn2.
    ^encoder\.layer\. > beit.encoder.layer.
    ^embeddings\. > beit.embeddings.
    attention.query > q_proj
    attention.key > k_proj
    attention.value > v_proj
    attention.output.dense > attention.o_proj
    intermediate.dense > mlp.fc1
    output.dense > mlp.fc2
    family BeitForSemanticSegmentation
    (?<!psp_modules\.[0-9]\.1\.)bn\. > normalization.
    (?<!psp_modules\.[0-9]\.1\.)conv\.weight > convolution.weight
    ^fpn1\.0\. > fpn.fpn1.conv_transpose1.
    ^fpn1\.1\. > fpn.fpn1.normalization.
    ^fpn1\.3\. > fpn.fpn1.conv_transpose2.
    ^fpn2\.0\. > fpn.fpn2.
    decode_head.bottleneck. > decode_head.psp_bottleneck.
    decode_head\.psp_modules\.(\d+)\.1\.conv\.weight > decode_head.psp_modules.blocks.\1.conv.convolution.weight
    decode_head\.psp_modules\.(\d+)\.1\.bn\. > decode_head.psp_modules.blocks.\1.conv.normalization.
    family BeitModel
    encoder\.layer\. > layers.
    attention.query > q_proj
    attention.key > k_proj
    attention.value > v_proj
    attention.output.dense > attention.o_proj
    intermediate.dense > mlp.fc1
    output.dense > mlp.fc2
    encoder.relative_position_bias > shared_position_bias
    attention.attention.relative_position_bias.relative_position_bias_table > relative_position_bias.relative_position_bias_table
    family CLIPTextModel CLIPSegTextModel MetaClip2TextModel SiglipTextModel Siglip2TextModel xCLIPTextModel
    ^text_model\.(.+) > \1
    family CLIPVisionModel AltCLIPVisionModel ChineseCLIPVisionModel CLIPSegVisionModel MetaClip2VisionModel mlcd_vision mlcd SiglipVisionModel Siglip2VisionModel xCLIPVisionModel
    ^vision_model\.(.+) > \1
    family ConditionalDetrModel
    backbone.conv_encoder > backbone
    self_attn.out_proj > self_attn.o_proj
    encoder_attn.out_proj > encoder_attn.o_proj
    layers.(\d+).fc1 > layers.\1.mlp.fc1
    layers.(\d+).fc2 > layers.\1.mlp.fc2
    decoder.layers.(\d+).sa_qcontent_proj > decoder.layers.\1.self_attn.q_content_proj
    decoder.layers.(\d+).sa_qpos_proj > decoder.layers.\1.self_attn.q_pos_proj
    decoder.layers.(\d+).sa_kcontent_proj > decoder.layers.\1.self_attn.k_content_proj
    decoder.layers.(\d+).sa_kpos_proj > decoder.layers.\1.self_attn.k_pos_proj
    decoder.layers.(\d+).sa_v_proj > decoder.layers.\1.self_attn.v_proj
    decoder.layers.(\d+).ca_qcontent_proj > decoder.layers.\1.encoder_attn.q_content_proj
    decoder.layers.(\d+).ca_qpos_proj > decoder.layers.\1.encoder_attn.q_pos_proj
    decoder.layers.(\d+).ca_kcontent_proj > decoder.layers.\1.encoder_attn.k_content_proj
    decoder.layers.(\d+).ca_kpos_proj > decoder.layers.\1.encoder_attn.k_pos_proj
    decoder.layers.(\d+).ca_v_proj > decoder.layers.\1.encoder_attn.v_proj
    decoder.layers.(\d+).ca_qpos_sine_proj > decoder.layers.\1.encoder_attn.q_pos_sine_proj
    family DetrForSegmentation ConditionalDetrForSegmentation
    bbox_attention.q_linear > bbox_attention.q_proj
    bbox_attention.k_linear > bbox_attention.k_proj
    mask_head.lay1 > mask_head.conv1.conv
    mask_head.gn1 > mask_head.conv1.norm
    mask_head.lay2 > mask_head.conv2.conv
    mask_head.gn2 > mask_head.conv2.norm
    mask_head.adapter1 > mask_head.fpn_stages.0.fpn_adapter
    mask_head.lay3 > mask_head.fpn_stages.0.refine.conv
    mask_head.gn3 > mask_head.fpn_stages.0.refine.norm
    mask_head.adapter2 > mask_head.fpn_stages.1.fpn_adapter
    mask_head.lay4 > mask_head.fpn_stages.1.refine.conv
    mask_head.gn4 > mask_head.fpn_stages.1.refine.norm
    mask_head.adapter3 > mask_head.fpn_stages.2.fpn_adapter
    mask_head.lay5 > mask_head.fpn_stages.2.refine.conv
    mask_head.gn5 > mask_head.fpn_stages.2.refine.norm
    mask_head.out_lay > mask_head.output_conv
    family DetrModel MaskFormerDetrDecoder
    backbone.conv_encoder > backbone
    out_proj > o_proj
    layers.(\d+).fc1 > layers.\1.mlp.fc1
    layers.(\d+).fc2 > layers.\1.mlp.fc2
    family Dinov2Model Dinov2WithRegistersModel Dinov2Backbone Dinov2WithRegistersBackbone
    attention.attention.query > attention.q_proj
    attention.attention.key > attention.k_proj
    attention.attention.value > attention.v_proj
    attention.output.dense > attention.o_proj
    chunk0: mlp.weights_in.weight > mlp.gate_proj.weight mlp.up_proj.weight
    chunk0: mlp.weights_in.bias > mlp.gate_proj.bias mlp.up_proj.bias
    mlp.weights_out > mlp.down_proj
    family Dots3NoteForConditionalGeneration
    ^audio_encoder\.audio_adapter\. > audio_adapter.
    ^(vision_encoder|audio_encoder|audio_adapter)\. > model.\1.
    family Dots3NoteModel
    ^model\.(.+) > \1
    ^(embed_tokens|layers|norm)\. > language_model.\1.
    ^vision_encoder\. > vision_tower.
    ^audio_encoder\. > audio_tower.
    ^audio_adapter\. > audio_tower.audio_adapter.
    family Emu3Model
    ^text_model.model > text_model
    family GPTNeoXForCausalLM
    ^embed_out\. > lm_head.
    family LlavaModel Qwen2AudioModel GraniteSpeechModel VibeVoiceAsrModel VideoLlavaModel AriaModel PaliGemmaModel AyaVisionModel GotOcr2Model Gemma3Model InternVLModel VipLlavaModel Mistral3Model PPChart2TableModel LlavaNextModel LlavaNextVideoModel LlavaOnevisionModel FuyuModel MllamaModel VoxtralModel VoxtralRealtimeModel AudioFlamingo3Model GlmAsrModel MusicFlamingoModel GraniteSpeechPlusModel
    ^language_model.model > language_model
    family MimiDecoderModel
    ^decoder\.layers > decoder_seanet.layers
    family MimiEncoderModel
    ^encoder\.layers > encoder_seanet.layers
    family MimiModel
    ^encoder\.layers > encoder.encoder.layers
    ^encoder_transformer\. > encoder.encoder_transformer.
    ^downsample\. > encoder.downsample.
    ^upsample\. > decoder.upsample.
    ^decoder_transformer\. > decoder.decoder_transformer.
    ^decoder\.layers > decoder.decoder.layers
    family Molmo2TextModel
    \.attn_norm\. > .input_layernorm.
    \.ff_norm\. > .post_attention_layernorm.
    split0: self_attn.att_proj > self_attn.q_proj self_attn.k_proj self_attn.v_proj
    self_attn\.attn_out > self_attn.o_proj
    mlp\.ff_out > mlp.down_proj
    chunk0: mlp.ff_proj.weight > mlp.up_proj.weight mlp.gate_proj.weight
    join0: wte.embedding wte.new_embedding > embed_tokens.weight
    family MtpModel
    ^model\.(.+) > \1
    ^mtp\.(.+) > \1
    .shared_head.norm. > .post_norm.
    .mtp_block.enorm. > .enorm.
    .mtp_block.hnorm. > .hnorm.
    .mtp_block.eh_proj. > .eh_proj.
    .mtp_block.post_norm. > .post_norm.
    \.hidden_norm\. > .hnorm.
    \.embed_norm\. > .enorm.
    \.input_proj\. > .eh_proj.
    ^chain_norm\. > shared_post_norm.
    layers\.(\d+)\.transformer_block\. > layers.\1.mtp_block.
    ^layers\.(\d+)\.(?!(?:mtp_block|enorm|hnorm|eh_proj|post_norm)\.) > layers.\1.mtp_block.
    ^fc\. > layers.0.eh_proj.
    ^pre_fc_norm_embedding\. > layers.0.enorm.
    ^pre_fc_norm_hidden\. > layers.0.hnorm.
    ^norm\. > layers.0.post_norm.
    family NemotronH_Omni_Reasoning_V3
    ^mlp1\.0\. > multi_modal_projector.layer_norm.
    ^mlp1\.1\. > multi_modal_projector.linear_1.
    ^mlp1\.3\. > multi_modal_projector.linear_2.
    ^vision_projector\.vision_final_layernorm\. > vision_final_layernorm.
    ^sound_encoder\.encoder\. > audio_tower.
    ^sound_projection\.norm\. > embed_audio.layer_norm.
    ^sound_projection\.linear1\. > embed_audio.linear_1.
    ^sound_projection\.linear2\. > embed_audio.linear_2.
    family Qwen2VLForConditionalGeneration Qwen2_5_VLForConditionalGeneration
    ^visual > model.visual
    ^model(?!\.(language_model|visual)) > model.language_model
    family Qwen2VLModel Qwen2_5_VLModel
    ^model\.(?:(?!language_model\.))(.+) > model.language_model.\1
    family Qwen2_5OmniThinkerForConditionalGeneration qwen2_5_omni_thinker Qwen3OmniMoeThinkerForConditionalGeneration
    ^thinker\.(.+) > \1
    ^audio_tower > model.audio_tower
    ^visual > model.visual
    ^model(?!\.(language_model|visual|audio_tower)) > model.language_model
    family Qwen2_5OmniThinkerModel Qwen3OmniMoeThinkerModel
    ^thinker\.(.+) > \1
    ^model\.(?:(?!language_model\.))(.+) > model.language_model.\1
    family RfDetrForInstanceSegmentation
    ^(?!segmentation_head) > model.
    segmentation_head\.query_features_block\.layers\.0 > query_features_block.mlp.fc1
    segmentation_head\.query_features_block\.layers\.2 > query_features_block.mlp.fc2
    segmentation_head\.query_features_block\.norm_in > query_features_block.norm
    segmentation_head\.blocks\.(\d+)\.norm > blocks.\1.layernorm
    segmentation_head\.blocks\.(\d+)\.dwconv > blocks.\1.depthwise_conv
    segmentation_head\.blocks\.(\d+)\.pwconv1 > blocks.\1.pointwise_conv
    segmentation_head\.spatial_features_proj > spatial_features_proj
    segmentation_head\.query_features_proj > query_features_proj
    segmentation_head\.bias > segmentation_bias
    family RfDetrForObjectDetection
    ^ > model.
    family RfDetrModel
    backbone.0.encoder.encoder > backbone.backbone
    backbone.0.projector > backbone.projector
    projector.stages.0.0.cv1.conv > projector.projector_layer.conv1.conv
    projector.stages.0.0.cv1.bn > projector.projector_layer.conv1.norm
    projector.stages.0.0.cv2.conv > projector.projector_layer.conv2.conv
    projector.stages.0.0.cv2.bn > projector.projector_layer.conv2.norm
    projector.stages.0.1 > projector.layer_norm
    projector.stages.0.0.m.(\d+).cv1.conv > projector.projector_layer.bottlenecks.\1.conv1.conv
    projector.stages.0.0.m.(\d+).cv1.bn > projector.projector_layer.bottlenecks.\1.conv1.norm
    projector.stages.0.0.m.(\d+).cv2.conv > projector.projector_layer.bottlenecks.\1.conv2.conv
    projector.stages.0.0.m.(\d+).cv2.bn > projector.projector_layer.bottlenecks.\1.conv2.norm
    transformer.decoder > decoder
    decoder.layers.(\d+).norm1 > decoder.layers.\1.self_attn_layer_norm
    decoder.layers.(\d+).norm2 > decoder.layers.\1.cross_attn_layer_norm
    decoder.layers.(\d+).linear1 > decoder.layers.\1.mlp.fc1
    decoder.layers.(\d+).linear2 > decoder.layers.\1.mlp.fc2
    decoder.layers.(\d+).norm3 > decoder.layers.\1.layer_norm
    decoder.norm > decoder.layernorm
    ^transformer\.enc_output_norm > enc_output_norm
    ^transformer\.enc_output > enc_output
    transformer.enc_out_class_embed > enc_out_class_embed
    transformer.enc_out_bbox_embed > enc_out_bbox_embed
    refpoint_embed\.weight > reference_point_embed.weight
    attention.attention.query > attention.q_proj
    attention.attention.key > attention.k_proj
    attention.attention.value > attention.v_proj
    attention.output.dense > attention.o_proj
    self_attn.out_proj > self_attn.o_proj
    chunk0: self_attn.in_proj_bias > self_attn.q_proj.bias self_attn.k_proj.bias self_attn.v_proj.bias
    chunk0: self_attn.in_proj_weight > self_attn.q_proj.weight self_attn.k_proj.weight self_attn.v_proj.weight
    family Sapiens2ForImageMatting
    ^backbone\. > model.
    decode_head\.input_conv\.0\.(weight|bias) > decode_head.input_conv.convolution.\1
    decode_head\.upsample_blocks\.(\d+)\.0\.weight > decode_head.upsample_layers.\1.convolution.weight
    decode_head\.upsample_blocks\.(\d+)\.0\.bias > decode_head.upsample_layers.\1.convolution.bias
    decode_head\.conv_layers\.0\.(weight|bias) > decode_head.conv_layers.0.convolution.\1
    decode_head\.conv_layers\.3\.(weight|bias) > decode_head.conv_layers.1.convolution.\1
    decode_head\.conv_layers\.6\.(weight|bias) > decode_head.conv_layers.2.convolution.\1
    decode_head\.conv_matting\. > decode_head.predictor.
    family Sapiens2ForNormalEstimation
    ^backbone\. > model.
    decode_head\.input_conv\.0\.(weight|bias) > decode_head.input_conv.convolution.\1
    decode_head\.upsample_blocks\.(\d+)\.0\.weight > decode_head.upsample_layers.\1.convolution.weight
    decode_head\.upsample_blocks\.(\d+)\.0\.bias > decode_head.upsample_layers.\1.convolution.bias
    decode_head\.conv_layers\.0\.(weight|bias) > decode_head.conv_layers.0.convolution.\1
    decode_head\.conv_layers\.3\.(weight|bias) > decode_head.conv_layers.1.convolution.\1
    decode_head\.conv_layers\.6\.(weight|bias) > decode_head.conv_layers.2.convolution.\1
    decode_head\.conv_normal\. > decode_head.predictor.
    family Sapiens2ForPointmapEstimation
    ^backbone\. > model.
    decode_head\.input_conv\.0\.(weight|bias) > decode_head.input_conv.convolution.\1
    decode_head\.upsample_blocks\.(\d+)\.0\.weight > decode_head.upsample_layers.\1.convolution.weight
    decode_head\.upsample_blocks\.(\d+)\.0\.bias > decode_head.upsample_layers.\1.convolution.bias
    decode_head\.conv_layers\.0\.(weight|bias) > decode_head.conv_layers.0.convolution.\1
    decode_head\.conv_layers\.3\.(weight|bias) > decode_head.conv_layers.1.convolution.\1
    decode_head\.conv_layers\.6\.(weight|bias) > decode_head.conv_layers.2.convolution.\1
    decode_head\.conv_pointmap\. > decode_head.predictor.
    decode_head\.scale_conv_layers\.0\.weight > scale_head.conv_layers.0.convolution.weight
    decode_head\.scale_conv_layers\.0\.bias > scale_head.conv_layers.0.convolution.bias
    decode_head\.scale_conv_layers\.3\.weight > scale_head.conv_layers.1.convolution.weight
    decode_head\.scale_conv_layers\.3\.bias > scale_head.conv_layers.1.convolution.bias
    decode_head\.scale_conv_layers\.6\.weight > scale_head.conv_layers.2.convolution.weight
    decode_head\.scale_conv_layers\.6\.bias > scale_head.conv_layers.2.convolution.bias
    decode_head\.scale_final_layer\.1\. > scale_head.predictor.block1.layers.0.
    decode_head\.scale_final_layer\.3\. > scale_head.predictor.block2.layers.0.
    decode_head\.scale_final_layer\.5\. > scale_head.predictor.proj.
    family Sapiens2ForPoseEstimation
    ^backbone\. > model.
    decode_head\.deconv_layers\.0\.weight > decode_head.upsample_layers.0.convolution.weight
    decode_head\.deconv_layers\.3\.weight > decode_head.upsample_layers.1.convolution.weight
    decode_head\.conv_layers\.0\.(weight|bias) > decode_head.conv_layers.0.convolution.\1
    decode_head\.conv_layers\.3\.(weight|bias) > decode_head.conv_layers.1.convolution.\1
    decode_head\.conv_layers\.6\.(weight|bias) > decode_head.conv_layers.2.convolution.\1
    decode_head\.conv_pose\. > decode_head.predictor.
    family Sapiens2ForSemanticSegmentation
    ^backbone\. > model.
    decode_head\.deconv_layers\.0\.weight > decode_head.upsample_layers.0.convolution.weight
    decode_head\.deconv_layers\.3\.weight > decode_head.upsample_layers.1.convolution.weight
    decode_head\.deconv_layers\.6\.weight > decode_head.upsample_layers.2.convolution.weight
    decode_head\.deconv_layers\.9\.weight > decode_head.upsample_layers.3.convolution.weight
    decode_head\.conv_layers\.0\.(weight|bias) > decode_head.conv_layers.0.convolution.\1
    decode_head\.conv_layers\.3\.(weight|bias) > decode_head.conv_layers.1.convolution.\1
    decode_head\.conv_seg\. > decode_head.predictor.
    family SegformerForSemanticSegmentation
    decode_head.linear_c > decode_head.linear_projections
    family SegformerModel
    encoder.patch_embeddings.(\d+). > stages.\1.patch_embeddings.
    encoder.block.(\d+). > stages.\1.blocks.
    encoder.layer_norm.(\d+) > stages.\1.layer_norm
    attention.self.query > attention.q_proj
    attention.self.key > attention.k_proj
    attention.self.value > attention.v_proj
    attention.self.sr > attention.sequence_reduction.sequence_reduction
    attention.self.layer_norm > attention.sequence_reduction.layer_norm
    attention.output.dense > attention.o_proj
    mlp.dense1 > mlp.fc1
    mlp.dense2 > mlp.fc2
    layer_norm_1 > layernorm_before
    layer_norm_2 > layernorm_after
    family SwinBackbone
    ^encoder\. > swin.encoder.
    ^embeddings\. > swin.embeddings.
    family Tipsv2DptForDepthEstimation
    vision_encoder > backbone
    depth_head\.reassemble\.readout_projects\.(\d+) > neck.reassemble_stage.readout_projects.\1.layers.0
    depth_head\.reassemble\.out_projections\.(\d+)\. > neck.reassemble_stage.layers.\1.projection.
    depth_head\.reassemble\.resize_layers\.(\d+)\. > neck.reassemble_stage.layers.\1.resize.
    depth_head\.fusion_blocks\.(\d+)\.out_conv\. > neck.fusion_stage.layers.\1.projection.
    depth_head\.fusion_blocks\.(\d+)\.main_unit\.conv1\. > neck.fusion_stage.layers.\1.residual_layer2.convolution1.
    depth_head\.fusion_blocks\.(\d+)\.main_unit\.conv2\. > neck.fusion_stage.layers.\1.residual_layer2.convolution2.
    depth_head\.fusion_blocks\.(\d+)\.residual_unit\.conv1\. > neck.fusion_stage.layers.\1.residual_layer1.convolution1.
    depth_head\.fusion_blocks\.(\d+)\.residual_unit\.conv2\. > neck.fusion_stage.layers.\1.residual_layer1.convolution2.
    depth_head\.convs > neck.convs
    depth_head\.project > decoder.project
    depth_head\.depth_head\. > decoder.head.
    family Tipsv2DptForNormalEstimation
    vision_encoder > backbone
    normals_head\.reassemble\.readout_projects\.(\d+) > neck.reassemble_stage.readout_projects.\1.layers.0
    normals_head\.reassemble\.out_projections\.(\d+)\. > neck.reassemble_stage.layers.\1.projection.
    normals_head\.reassemble\.resize_layers\.(\d+)\. > neck.reassemble_stage.layers.\1.resize.
    normals_head\.fusion_blocks\.(\d+)\.out_conv\. > neck.fusion_stage.layers.\1.projection.
    normals_head\.fusion_blocks\.(\d+)\.main_unit\.conv1\. > neck.fusion_stage.layers.\1.residual_layer2.convolution1.
    normals_head\.fusion_blocks\.(\d+)\.main_unit\.conv2\. > neck.fusion_stage.layers.\1.residual_layer2.convolution2.
    normals_head\.fusion_blocks\.(\d+)\.residual_unit\.conv1\. > neck.fusion_stage.layers.\1.residual_layer1.convolution1.
    normals_head\.fusion_blocks\.(\d+)\.residual_unit\.conv2\. > neck.fusion_stage.layers.\1.residual_layer1.convolution2.
    normals_head\.convs > neck.convs
    normals_head\.project > decoder.project
    normals_head\.normals_head\. > decoder.head.
    family Tipsv2DptForSemanticSegmentation
    vision_encoder > backbone
    segmentation_head\.reassemble\.readout_projects\.(\d+) > neck.reassemble_stage.readout_projects.\1.layers.0
    segmentation_head\.reassemble\.out_projections\.(\d+)\. > neck.reassemble_stage.layers.\1.projection.
    segmentation_head\.reassemble\.resize_layers\.(\d+)\. > neck.reassemble_stage.layers.\1.resize.
    segmentation_head\.fusion_blocks\.(\d+)\.out_conv\. > neck.fusion_stage.layers.\1.projection.
    segmentation_head\.fusion_blocks\.(\d+)\.main_unit\.conv1\. > neck.fusion_stage.layers.\1.residual_layer2.convolution1.
    segmentation_head\.fusion_blocks\.(\d+)\.main_unit\.conv2\. > neck.fusion_stage.layers.\1.residual_layer2.convolution2.
    segmentation_head\.fusion_blocks\.(\d+)\.residual_unit\.conv1\. > neck.fusion_stage.layers.\1.residual_layer1.convolution1.
    segmentation_head\.fusion_blocks\.(\d+)\.residual_unit\.conv2\. > neck.fusion_stage.layers.\1.residual_layer1.convolution2.
    segmentation_head\.convs > neck.convs
    segmentation_head\.project > decoder.project
    segmentation_head\.segmentation_head\. > decoder.head.
    family Tipsv2TextModel
    ^text_encoder\.(.+) > \1
    ln_final\. > final_layer_norm.
    token_embedding\. > embeddings.token_embedding.
    transformer\.resblocks\. > encoder.layers.
    \.ln_1\. > .layer_norm1.
    \.ln_2\. > .layer_norm2.
    \.attn\. > .self_attn.
    \.mlp\.c_fc\. > .mlp.fc1.
    \.mlp\.c_proj\. > .mlp.fc2.
    chunk0: \.in_proj_weight > .q_proj.weight .k_proj.weight .v_proj.weight
    chunk0: \.in_proj_bias > .q_proj.bias .k_proj.bias .v_proj.bias
    family Tipsv2VisionModel Tipsv2VisionBackbone
    ^vision_encoder\.(.+) > \1
    patch_embed\.proj\. > embeddings.patch_embeddings.projection.
    cls_token > embeddings.cls_token
    mask_token > embeddings.mask_token
    register_tokens > embeddings.register_tokens
    pos_embed > embeddings.position_embeddings
    norm\. > layernorm.
    blocks\. > encoder.layer.
    \.attn\.proj\. > .attention.o_proj.
    \.ls1\.gamma > .layer_scale1.lambda1
    \.ls2\.gamma > .layer_scale2.lambda1
    \.mlp\.c_fc\. > .mlp.fc1.
    \.mlp\.c_proj\. > .mlp.fc2.
    \.mlp\.w3\. > .mlp.down_proj.
    chunk0: \.mlp\.w12\.weight > .mlp.gate_proj.weight .mlp.up_proj.weight
    chunk0: \.mlp\.w12\.bias > .mlp.gate_proj.bias .mlp.up_proj.bias
    chunk0: \.attn\.qkv\.weight > .attention.q_proj.weight .attention.k_proj.weight .attention.v_proj.weight
    chunk0: \.attn\.qkv\.bias > .attention.q_proj.bias .attention.k_proj.bias .attention.v_proj.bias
    family UltraVBertForMaskedLM
    ^head\.decoder\. > lm_head.
    ^head\. > projection_head.
    family UltrabertForMaskedLM
    ^ultrabert\. > model.
    ^cls\. > head.decoder.
    family UltrabertForSequenceClassification UltrabertForTokenClassification UltrabertForQuestionAnswering
    ^ultrabert\. > model.
    family UltrabertModel
    ^ultrabert\.(.+) > \1
    family UnlimitedOcrSamVisionEncoder
    blocks\.(\d+)\.norm1\. > layers.\1.layer_norm1.
    blocks\.(\d+)\.norm2\. > layers.\1.layer_norm2.
    blocks\.(\d+)\.attn\. > layers.\1.attn.
    blocks\.(\d+)\.mlp\. > layers.\1.mlp.
    patch_embed\.proj\. > patch_embed.projection.
    neck\.0\. > neck.conv1.
    neck\.1\. > neck.layer_norm1.
    neck\.2\. > neck.conv2.
    neck\.3\. > neck.layer_norm2.
    net_2\. > proj.conv1.
    net_3\. > proj.conv2.
    family UnlimitedOcrVisionEncoder
    transformer > encoder
    chunk0: qkv_proj.weight > q_proj.weight k_proj.weight v_proj.weight
    chunk0: qkv_proj.bias > q_proj.bias k_proj.bias v_proj.bias
    family ViTMAEForPreTraining
    attention.query > q_proj
    attention.key > k_proj
    attention.value > v_proj
    attention.output.dense > attention.o_proj
    intermediate.dense > mlp.fc1
    output.dense > mlp.fc2
    family ViTMSNForImageClassification
    ^encoder\. > vit.encoder.
    family ViTModel ASTModel DeiTModel IJepaModel ViTMAEModel ViTMSNModel VivitModel
    encoder\.layer\. > layers.
    attention.query > q_proj
    attention.key > k_proj
    attention.value > v_proj
    attention.output.dense > attention.o_proj
    intermediate.dense > mlp.fc1
    output.dense > mlp.fc2
    family altclip
    layer\. > layers.
    family aria_text
    mlp\.experts\.fc1\.weight > mlp.experts.gate_up_proj
    mlp\.experts\.fc2\.weight > mlp.experts.down_proj
    family axk1
    stack+join1: mlp.experts.*.gate_proj.weight mlp.experts.*.up_proj.weight > mlp.experts.gate_up_proj
    stack: mlp.experts.*.down_proj.weight > mlp.experts.down_proj
    post_mlp_layernorm > mlp.post_mlp_layernorm
    family axk2
    stack+join1: mlp.experts.*.gate_proj.weight mlp.experts.*.up_proj.weight > mlp.experts.gate_up_proj
    stack: mlp.experts.*.down_proj.weight > mlp.experts.down_proj
    W_down > mlp.fc1
    W_up > mlp.fc2
    self_attn\.q_b_proj\. > self_attn.q_gate_proj.
    family bailing_hybrid
    stack+join1: mlp.experts.*.gate_proj.weight mlp.experts.*.up_proj.weight > mlp.experts.gate_up_proj
    stack: mlp.experts.*.down_proj.weight > mlp.experts.down_proj
    ^model\.word_embeddings\. > model.embed_tokens.
    \.attention\. > .self_attn.
    self_attn\.f_proj\. > self_attn.forget_gate.f_proj.
    self_attn\.dt_bias > self_attn.forget_gate.dt_bias
    self_attn\.A_log > self_attn.forget_gate.A_log
    join0: q_conv1d.weight k_conv1d.weight v_conv1d.weight > conv1d.weight
    \.self_attn\.dense\. > .self_attn.o_proj.
    \.mlp\.gate\.expert_bias > .mlp.gate.e_score_correction_bias
    family cohere_asr
    encoder\.pre_encode\.conv\. > encoder.subsampling.layers.
    encoder\.pre_encode\.out\. > encoder.subsampling.linear.
    transf_decoder\._embedding\.position_embedding\.pos_enc > decoder.pos_emb.weight
    transf_decoder\._embedding\.token_embedding > decoder.embed_tokens
    transf_decoder\._embedding\.layer_norm > decoder.embedding_layernorm
    transf_decoder\._decoder\.final_layer_norm > decoder.norm
    transf_decoder\._decoder\.layers > decoder.layers
    encoder_decoder_proj\. > decoder.proj.
    encoder\.(.+)\.self_attn\.linear_q > encoder.\1.self_attn.q_proj
    encoder\.(.+)\.self_attn\.linear_k > encoder.\1.self_attn.k_proj
    encoder\.(.+)\.self_attn\.linear_v > encoder.\1.self_attn.v_proj
    encoder\.(.+)\.self_attn\.linear_out > encoder.\1.self_attn.o_proj
    encoder\.(.+)\.self_attn\.linear_pos > encoder.\1.self_attn.relative_k_proj
    encoder\.(.+)\.self_attn\.pos_bias_u > encoder.\1.self_attn.bias_u
    encoder\.(.+)\.self_attn\.pos_bias_v > encoder.\1.self_attn.bias_v
    decoder\.(.+)\.first_sub_layer\.query_net > decoder.\1.self_attn.q_proj
    decoder\.(.+)\.first_sub_layer\.key_net > decoder.\1.self_attn.k_proj
    decoder\.(.+)\.first_sub_layer\.value_net > decoder.\1.self_attn.v_proj
    decoder\.(.+)\.first_sub_layer\.out_projection > decoder.\1.self_attn.o_proj
    \.second_sub_layer\.query_net > .encoder_attn.q_proj
    \.second_sub_layer\.key_net > .encoder_attn.k_proj
    \.second_sub_layer\.value_net > .encoder_attn.v_proj
    \.second_sub_layer\.out_projection > .encoder_attn.o_proj
    \.third_sub_layer\.dense_in > .mlp.fc1
    \.third_sub_layer\.dense_out > .mlp.fc2
    \.layer_norm_1\. > .input_layernorm.
    \.layer_norm_2\. > .post_attention_layernorm.
    \.layer_norm_3\. > .final_layernorm.
    \.conv\.batch_norm > .conv.norm
    log_softmax\.mlp\.layer0 > proj_out
    family colqwen2
    ^vlm\.model\.(.+) > vlm.\1
    family cosmos3_edge
    ^embed_tokens\. > model.language_model.embed_tokens.
    ^norm\. > model.language_model.norm.
    ^layers\. > model.language_model.layers.
    \.self_attn\.to_q\. > .self_attn.q_proj.
    \.self_attn\.to_k\. > .self_attn.k_proj.
    \.self_attn\.to_v\. > .self_attn.v_proj.
    \.self_attn\.to_out\. > .self_attn.o_proj.
    \.mlp\.up_proj\. > .mlp.fc1.
    \.mlp\.down_proj\. > .mlp.fc2.
    family cosmos3_omni
    ^(layers\.|embed_tokens\.|norm\.) > model.language_model.\1
    ^(blocks\.|merger\.|patch_embed\.|pos_embed\.|deepstack_merger_list\.) > model.visual.\1
    \.self_attn\.to_q\. > .self_attn.q_proj.
    \.self_attn\.to_k\. > .self_attn.k_proj.
    \.self_attn\.to_v\. > .self_attn.v_proj.
    \.self_attn\.to_out\. > .self_attn.o_proj.
    \.self_attn\.norm_q\. > .self_attn.q_norm.
    \.self_attn\.norm_k\. > .self_attn.k_norm.
    family d_fine
    out_proj > o_proj
    layers.(\d+).fc1 > layers.\1.mlp.layers.0
    layers.(\d+).fc2 > layers.\1.mlp.layers.1
    encoder.encoder.(\d+).layers > encoder.aifi.\1.layers
    family deepseek_ocr2
    sam_model\.blocks\.(\d+)\.norm1\. > vision_tower.sam_encoder.layers.\1.layer_norm1.
    sam_model\.blocks\.(\d+)\.norm2\. > vision_tower.sam_encoder.layers.\1.layer_norm2.
    sam_model\.blocks\.(\d+)\.attn\. > vision_tower.sam_encoder.layers.\1.attn.
    sam_model\.blocks\.(\d+)\.mlp\. > vision_tower.sam_encoder.layers.\1.mlp.
    sam_model\.patch_embed\.proj\. > vision_tower.sam_encoder.patch_embed.projection.
    sam_model\.pos_embed > vision_tower.sam_encoder.pos_embed
    sam_model\.neck\.0\. > vision_tower.sam_encoder.neck.conv1.
    sam_model\.neck\.1\. > vision_tower.sam_encoder.neck.layer_norm1.
    sam_model\.neck\.2\. > vision_tower.sam_encoder.neck.conv2.
    sam_model\.neck\.3\. > vision_tower.sam_encoder.neck.layer_norm2.
    sam_model\.net_2\. > vision_tower.sam_encoder.proj.conv1.
    sam_model\.net_3\. > vision_tower.sam_encoder.proj.conv2.
    qwen2_model\.model\.model\.layers\. > vision_tower.vision_encoder.layers.
    qwen2_model\.model\.model\.norm\. > vision_tower.vision_encoder.norm.
    qwen2_model\.query_768\. > vision_tower.query_768_resolution.
    qwen2_model\.query_1024\. > vision_tower.query_1024_resolution.
    projector\.layers\. > multi_modal_projector.
    view_seperator > view_separator
    (^|model\.)embed_tokens\. > \1language_model.embed_tokens.
    (^|model\.)layers\. > \1language_model.layers.
    (^|model\.)norm\. > \1language_model.norm.
    stack+join1: mlp.experts.*.gate_proj.weight mlp.experts.*.up_proj.weight > mlp.experts.gate_up_proj
    stack: mlp.experts.*.down_proj.weight > mlp.experts.down_proj
    family deepseek_v4
    \.attn\. > .self_attn.
    \.ffn\. > .mlp.
    \.indexer\.compressor\. > .compressor.indexer.
    ^embed\.weight > embed_tokens.weight
    ^head\.weight > lm_head.weight
    ^hc_head_fn > hc_head.hc_fn
    ^hc_head_base > hc_head.hc_base
    ^hc_head_scale > hc_head.hc_scale
    \.attn_norm\. > .input_layernorm.
    \.ffn_norm\. > .post_attention_layernorm.
    \.hc_attn_fn > .attn_hc.fn
    \.hc_attn_base > .attn_hc.base
    \.hc_attn_scale > .attn_hc.scale
    \.hc_ffn_fn > .ffn_hc.fn
    \.hc_ffn_base > .ffn_hc.base
    \.hc_ffn_scale > .ffn_hc.scale
    \.attn_sink > .sinks
    \.indexer\.weights_proj\. > .compressor.indexer.scorer.weights_proj.
    \.indexer\.wq_b\. > .compressor.indexer.q_b_proj.
    \.norm\. > .kv_norm.
    \.ape > .position_bias
    \.wq_a\. > .q_a_proj.
    \.self_attn\.wq_b\. > .self_attn.q_b_proj.
    \.wkv\. > .kv_proj.
    \.wgate\. > .gate_proj.
    \.wo_a\. > .o_a_proj.
    \.wo_b\. > .o_b_proj.
    \.q_norm\. > .q_a_norm.
    \.gate\.bias > .gate.e_score_correction_bias
    \.shared_experts\.w1\. > .shared_experts.gate_proj.
    \.shared_experts\.w2\. > .shared_experts.down_proj.
    \.shared_experts\.w3\. > .shared_experts.up_proj.
    stack+join1: \.experts.*.w1.weight \.experts.*.w3.weight > .experts.gate_up_proj
    stack: \.experts.*.w2.weight > .experts.down_proj
    family deformable_detr
    backbone.conv_encoder > backbone
    self_attn.out_proj > self_attn.o_proj
    layers.(\d+).fc1 > layers.\1.mlp.fc1
    layers.(\d+).fc2 > layers.\1.mlp.fc2
    family dinov3_convnext
    (?<!model\.)stages > model.stages
    family dinov3_vit
    (?<!model\.)layer. > model.layer.
    family dory
    LayerPairCollapse: layers\.(\d+) > layers.\1
    \.self_attn\.g_proj\. > .self_attn.gate_proj.
    ^backbone\. > model.
    \.embeddings\. > .embed_tokens.
    family dots3_note_audio_encoder
    ^audio_adapter\. > adapter.
    ^adapter\.proj\.0\. > adapter.norm.
    ^adapter\.proj\.1\. > adapter.fc1.
    ^adapter\.proj\.3\. > adapter.fc2.
    dots_encoder\.speech_encoder\. > speech_encoder.
    speech_encoder\.(conv2d[123]|conv_out)\. > speech_encoder.conv_stem.\1.
    conv_stem\.conv2d1\. > conv_stem.convs.0.
    conv_stem\.conv2d2\. > conv_stem.convs.1.
    conv_stem\.conv2d3\. > conv_stem.convs.2.
    (speech_encoder\.layers\.\d+\.self_attn)\.out_proj\. > \1.o_proj.
    \.self_attn_layer_norm\. > .input_layernorm.
    \.final_layer_norm\. > .post_attention_layernorm.
    (speech_encoder\.layers\.\d+)\.fc1\. > \1.mlp.gate_up_proj.
    (speech_encoder\.layers\.\d+)\.fc2\. > \1.mlp.down_proj.
    ^speech_encoder\.(conv_stem|layers|layer_norm)\. > \1.
    family dots3_note_vision_encoder
    ^post_trunk_norm\. > norm.
    ^adapter\. > merger.
    (blocks\.\d+)\.norm_1\. > \1.norm1.
    (blocks\.\d+)\.norm_2\. > \1.norm2.
    (blocks\.\d+\.mlp)\.fc1\. > \1.gate_proj.
    (blocks\.\d+\.mlp)\.fc2\. > \1.down_proj.
    (blocks\.\d+\.mlp)\.fc3\. > \1.up_proj.
    \.mlp\.gate_weight > .mlp.gate.weight
    \.mlp\.router_bias > .mlp.e_score_correction_bias
    stack+join1: .mlp.experts.*.fc1.weight .mlp.experts.*.fc3.weight > .mlp.experts.gate_up_proj
    stack: .mlp.experts.*.fc2.weight > .mlp.experts.down_proj
    family emu3
    ^text_model.lm_head > lm_head
    ^text_model > model.text_model
    ^vqmodel > model.vqmodel
    family ernie4_5_moe
    stack+join1: mlp.experts.*.gate_proj.weight mlp.experts.*.up_proj.weight > mlp.experts.gate_up_proj
    stack: mlp.experts.*.down_proj.weight > mlp.experts.down_proj
    mlp.moe_statics.e_score_correction_bias > mlp.gate.moe_statics.e_score_correction_bias
    family ernie4_5_vl_moe
    vision_model > vision_tower
    spatial_linear.0 > spatial_linear.fc1
    spatial_linear.2 > spatial_linear.fc2
    spatial_linear.3 > spatial_linear.ln
    temporal_linear.0 > temporal_linear.fc1
    temporal_linear.2 > temporal_linear.fc2
    temporal_linear.3 > temporal_linear.ln
    (?<!language_model\.)embed_tokens > language_model.embed_tokens
    (?<!language_model\.)layers > language_model.layers
    (?<!_)(?<!\w)norm\. > language_model.norm.
    transpose01: mlp.gate.weight_1 > mlp.vision_moe.gate.weight
    transpose01: mlp.gate.weight > mlp.text_moe.gate.weight
    chunk0: mlp.moe_statics.e_score_correction_bias > mlp.text_moe.gate.moe_statics.e_score_correction_bias mlp.vision_moe.gate.moe_statics.e_score_correction_bias
    divide: experts.*.down_proj.weight > text_moe.experts.down_proj vision_moe.experts.down_proj
    divide: experts.*.gate_proj.weight experts.*.up_proj.weight > text_moe.experts.gate_up_proj vision_moe.experts.gate_up_proj
    family esm
    encoder.layer.*.attention.self.rotary_embeddings.inv_freq > rotary_embeddings.inv_freq
    LayerNorm.gamma > LayerNorm.weight
    LayerNorm.beta > LayerNorm.bias
    family exaone
    ^transformer\.wte\. > model.embed_tokens.
    ^transformer\.h\. > model.layers.
    ^transformer\.ln_f\. > model.norm.
    \.attn\.attention\. > .self_attn.
    \.self_attn\.out_proj\. > .self_attn.o_proj.
    \.ln_1\. > .input_layernorm.
    \.ln_2\. > .post_attention_layernorm.
    \.mlp\.c_fc_0\. > .mlp.gate_proj.
    \.mlp\.c_fc_1\. > .mlp.up_proj.
    \.mlp\.c_proj\. > .mlp.down_proj.
    family exaone_moe
    stack+join1: mlp.experts.*.gate_proj.weight mlp.experts.*.up_proj.weight > mlp.experts.gate_up_proj
    stack: mlp.experts.*.down_proj.weight > mlp.experts.down_proj
    mlp.e_score_correction_bias > mlp.gate.e_score_correction_bias
    family flint
    stack+join1: mlp.experts.*.gate_proj.weight mlp.experts.*.up_proj.weight > mlp.experts.gate_up_proj
    stack: mlp.experts.*.down_proj.weight > mlp.experts.down_proj
    self_attn.softmax_offset > self_attn.sinks
    family fuyu
    ^language_model.lm_head > lm_head
    ^language_model > model.language_model
    ^vision_embed_tokens > model.vision_embed_tokens
    family gemma4_unified
    vision_embedder\.patch_ln1 > embed_vision.patch_ln1
    vision_embedder\.patch_dense > embed_vision.patch_dense
    vision_embedder\.patch_ln2 > embed_vision.patch_ln2
    vision_embedder\.pos_embedding > embed_vision.pos_embedding
    vision_embedder\.pos_norm > embed_vision.pos_norm
    embed_vision\.embedding_projection > embed_vision.multimodal_embedder.embedding_projection
    family glm5_next glm5_next_text
    self_attn\.f_a_proj\. > self_attn.forget_gate.f_a_proj.
    self_attn\.f_b_proj\. > self_attn.forget_gate.f_b_proj.
    self_attn\.dt_bias > self_attn.forget_gate.dt_bias
    self_attn\.A_log > self_attn.forget_gate.A_log
    hc_attn_fn > attn_hc.fn
    hc_attn_base > attn_hc.base
    hc_attn_scale > attn_hc.scale
    hc_ffn_fn > ffn_hc.fn
    hc_ffn_base > ffn_hc.base
    hc_ffn_scale > ffn_hc.scale
    stack+join1: mlp.experts.*.gate_proj.weight mlp.experts.*.up_proj.weight > mlp.experts.gate_up_proj
    stack: mlp.experts.*.down_proj.weight > mlp.experts.down_proj
    join0: self_attn.q_conv1d.weight self_attn.k_conv1d.weight self_attn.v_conv1d.weight > self_attn.conv1d.weight
    family gradium_phonon_tts
    ^flow_lm\.condition_provider\.conditioners\.transcript_in_segment\.embed\. > model.embed_tokens.
    ^flow_lm\.condition_provider\.conditioners\.speaker_wavs\.output_proj\. > model.audio_prompt_proj.
    ^flow_lm\.condition_provider\.conditioners\.num_speakers\.embed\. > model.num_speakers_embed.
    ^flow_lm\.condition_provider\.conditioners\.num_speakers\.output_proj\. > model.num_speakers_proj.
    ^flow_lm\.condition_provider\.conditioners\.duration_delta\.output_proj\. > model.duration_delta_proj.
    ^flow_lm\.input_linear\. > model.audio_latent_proj.
    ^flow_lm\.bos_emb > model.bos_latent
    ^flow_lm\.emb_mean > latent_mean
    ^flow_lm\.emb_std > latent_std
    ^flow_lm\.out_norm\. > model.norm.
    ^flow_lm\.out_eos\. > eos_head.
    ^flow_lm\.transformer\.layers\.(\d+)\.self_attn\.in_proj\. > model.layers.\1.self_attn.in_proj.
    ^flow_lm\.transformer\.layers\.(\d+)\.self_attn\.out_proj\. > model.layers.\1.self_attn.o_proj.
    ^flow_lm\.transformer\.layers\.(\d+)\.linear1\. > model.layers.\1.mlp.fc1.
    ^flow_lm\.transformer\.layers\.(\d+)\.linear2\. > model.layers.\1.mlp.fc2.
    ^flow_lm\.transformer\.layers\.(\d+)\.norm1\. > model.layers.\1.input_layernorm.
    ^flow_lm\.transformer\.layers\.(\d+)\.norm2\. > model.layers.\1.post_attention_layernorm.
    ^flow_lm\.flow_net\.time_embed\.(\d+)\.freqs > flow_head.timestep_embeddings.\1.freqs
    ^flow_lm\.flow_net\.time_embed\.(\d+)\.mlp\.0\. > flow_head.timestep_embeddings.\1.fc1.
    ^flow_lm\.flow_net\.time_embed\.(\d+)\.mlp\.2\. > flow_head.timestep_embeddings.\1.fc2.
    ^flow_lm\.flow_net\.time_embed\.(\d+)\.mlp\.3\.alpha > flow_head.timestep_embeddings.\1.norm.weight
    ^flow_lm\.flow_net\.cond_embed\. > flow_head.cond_proj.
    ^flow_lm\.flow_net\.input_proj\. > flow_head.input_proj.
    ^flow_lm\.flow_net\.res_blocks\.(\d+)\.in_ln\. > flow_head.layers.\1.norm.
    ^flow_lm\.flow_net\.res_blocks\.(\d+)\.mlp\.0\. > flow_head.layers.\1.fc1.
    ^flow_lm\.flow_net\.res_blocks\.(\d+)\.mlp\.2\. > flow_head.layers.\1.fc2.
    ^flow_lm\.flow_net\.res_blocks\.(\d+)\.adaLN_modulation\.1\. > flow_head.layers.\1.adaln_proj.
    ^flow_lm\.flow_net\.final_layer\.linear\. > flow_head.final_layer.proj.
    ^flow_lm\.flow_net\.final_layer\.adaLN_modulation\.1\. > flow_head.final_layer.adaln_proj.
    chunk0+rope(;q_proj,k_proj): self_attn\.in_proj\.weight > self_attn.q_proj.weight self_attn.k_proj.weight self_attn.v_proj.weight
    family granite_speech granite_speech_plus
    ^language_model.lm_head > lm_head
    ^language_model > model.language_model
    ^encoder > model.encoder
    ^projector > model.projector
    family granitemoe granitemoeshared granitemoehybrid
    block_sparse_moe\.input_linear\.weight > block_sparse_moe.experts.gate_up_proj
    block_sparse_moe\.output_linear\.weight > block_sparse_moe.experts.down_proj
    block_sparse_moe\.router\.layer\.weight > block_sparse_moe.router.weight
    family gte
    ^new\.(.+) > \1
    encoder.layer > layers
    attention.o_proj > self_attn.o_proj
    attn_ln > post_attention_layernorm
    mlp_ln > post_mlp_layernorm
    lm_head.norm > lm_head.layer_norm
    chunk0: attention.qkv_proj > self_attn.q_proj self_attn.k_proj self_attn.v_proj
    chunk0: mlp.up_gate_proj > mlp.up_proj mlp.gate_proj
    family hrm_text
    chunk0: mlp.gate_up_proj.weight > mlp.gate_proj.weight mlp.up_proj.weight
    chunk0: attn.gqkv_proj.weight > self_attn.gate_proj.weight self_attn.q_proj.weight self_attn.k_proj.weight self_attn.v_proj.weight
    \.attn\.o_proj\. > .self_attn.o_proj.
    family hunyuan_vl
    mlp.dense_h_to_4h > mlp.fc1
    mlp.dense_4h_to_h > mlp.fc2
    ^vit\.layers\.(\d+)\.input_layernorm\. > vit.layers.\1.layer_norm1.
    ^vit\.layers\.(\d+)\.post_attention_layernorm\. > vit.layers.\1.layer_norm2.
    perceive\.proj\.0\. > perceive.proj_conv.
    perceive\.proj\.2\. > perceive.proj_out.
    perceive\. > patch_merger.
    ^model(?!\.(language_model|vit|vision_tower)) > model.language_model
    ^model\.vit > model.vision_tower
    ^vit > model.vision_tower
    family hy_v3
    stack+join1: mlp.experts.*.gate_proj.weight mlp.experts.*.up_proj.weight > mlp.experts.gate_up_proj
    stack: mlp.experts.*.down_proj.weight > mlp.experts.down_proj
    mlp\.router\.gate\.weight > mlp.gate.weight
    mlp\.expert_bias > mlp.e_score_correction_bias
    mlp\.shared_mlp\. > mlp.shared_experts.
    family hy_v4 hy_v4_vl_text
    \.hc_pre\.hc_ > .hc_
    \.learnable_sink_param > .sinks
    \.linear_gate > .gate_proj
    \.hc_attn_layer\.hc_fn > .attn_hc.fn
    \.hc_attn_layer\.hc_base > .attn_hc.base
    \.hc_attn_layer\.hc_scale > .attn_hc.scale
    \.hc_mlp_layer\.hc_fn > .ffn_hc.fn
    \.hc_mlp_layer\.hc_base > .ffn_hc.base
    \.hc_mlp_layer\.hc_scale > .ffn_hc.scale
    \.hc_head_fn > .hc_fn
    \.hc_head_base > .hc_base
    \.hc_head_scale > .hc_scale
    family hy_v4_vl
    mlp.dense_h_to_4h > mlp.fc1
    mlp.dense_4h_to_h > mlp.fc2
    ^vit\.layers\.(\d+)\.input_layernorm\. > vit.layers.\1.layer_norm1.
    ^vit\.layers\.(\d+)\.post_attention_layernorm\. > vit.layers.\1.layer_norm2.
    (perceive|patch_merger)\.norm\. > \1.before_rms.
    perceive\.proj\.0\. > perceive.proj_conv.
    perceive\.proj\.2\. > perceive.proj_out.
    perceive\. > patch_merger.
    ^model(?!\.(language_model|vit|vision_tower)) > model.language_model
    ^vit > model.vision_tower
    family hyperclovax_vision_v2
    ^model.language_model.lm_head > lm_head
    ^model.vision_projector > model.projector
    ^model.language_model\.model\.(.+) > model.language_model.\1
    family inkling2 inkling2_loop
    model\.llm\.unembed\. > lm_head.
    Inkling2UnpadVocab: lm_head\.weight > lm_head.weight
    model\.llm\. > model.language_model.
    model\.visual\. > model.vision_tower.
    vision_tower\.backbone\.embeddings\. > vision_tower.embeddings.
    vision_tower\.embeddings\.position_embedding > vision_tower.embeddings.position_embedding.weight
    vision_tower\.backbone\.ln_pre\. > vision_tower.pre_layernorm.
    vision_tower\.backbone\.layers\. > vision_tower.layers.
    vision_tower\.proj_in\. > vision_tower.merger.linear_1.
    vision_tower\.proj_out\. > vision_tower.merger.linear_2.
    (vision_tower\.layers\.\d+)\.ln_1\. > \1.layernorm_before.
    (vision_tower\.layers\.\d+)\.ln_2\. > \1.layernorm_after.
    (vision_tower\.layers\.\d+)\.mlp\.c_fc\. > \1.mlp.fc1.
    (vision_tower\.layers\.\d+)\.mlp\.c_proj\. > \1.mlp.fc2.
    (vision_tower\.layers\.\d+)\.ls_1\.gamma > \1.lambda_1
    (vision_tower\.layers\.\d+)\.ls_2\.gamma > \1.lambda_2
    family inkling2_loop_text
    controllers\.attn\. > q_message_gate.
    controllers\.k\. > k_message_gate.
    controllers\.v\. > v_message_gate.
    controllers\.mlp\. > mlp_message_gate.
    _message_gate\.down_weight > _message_gate.down_proj.weight
    _message_gate\.gain_weight > _message_gate.message_gate_proj.weight
    _message_gate\.forget_weight > _message_gate.forget_gate_proj.weight
    Inkling2LoopMergeMessageQueries: middle_cycle_cross_pass_queries middle_cycle_cross_pass_kv_queries > message_input.query
    Inkling2LoopDequantizeExperts+interleave1: mlp\.experts\.w13_weight mlp\.experts\.w13_weight_scale mlp\.experts\.w13_weight_amax mlp\.experts\.w13_weight_outer_scale_denominator > mlp.experts.gate_up_proj
    Inkling2LoopDequantizeExperts: mlp\.experts\.w2_weight mlp\.experts\.w2_weight_scale mlp\.experts\.w2_weight_amax mlp\.experts\.w2_weight_outer_scale_denominator > mlp.experts.down_proj
    model\.llm\.unembed\. > lm_head.
    Inkling2UnpadVocab: lm_head\.weight > lm_head.weight
    model\.llm\. > model.
    embed\.weight > embed_tokens.weight
    embed_norm\. > embed_tokens.embed_norm.
    mlp.gate.bias > mlp.gate.e_score_correction_bias
    \.attn\. > .self_attn.
    self_attn\.wq_du > self_attn.q_proj.linear
    self_attn\.wk_dv > self_attn.k_proj.linear
    self_attn\.wv_dv > self_attn.v_proj.linear
    self_attn\.k_sconv\. > self_attn.k_proj.sconv.
    self_attn\.v_sconv\. > self_attn.v_proj.sconv.
    self_attn\.rel_logits_proj\. > self_attn.relative_position_bias.
    self_attn\.wr_du > self_attn.relative_position_bias.linear
    self_attn\.q_l2_clip\. > self_attn.q_proj.norm.
    self_attn\.rel_l2_clip\. > self_attn.relative_position_bias.norm.
    self_attn\.wo_ud > self_attn.o_proj.linear
    self_attn\.gate_attn > self_attn.o_proj.gate_proj
    self_attn\.attn_sink_proj > self_attn.sink_proj
    attn_sconv\. > post_attention_convolution.
    mlp_sconv\. > post_mlp_convolution.
    (convolution|sconv)\.weight(?!_) > \1.conv1d.weight
    (convolution|sconv)\.static_w > \1.static_weight
    (convolution|sconv)\.weight_proj > \1.weight_proj.weight
    mlp_norm > post_attention_layernorm
    attn_norm > input_layernorm
    (q|k|v)_input_norm > \1_input_layernorm
    Inkling2IndexOffsetWeightRename: attn_res\.attn_queries\.(\d+) > layers.\1.attention_input.query
    attn_res\.mlp_queries\.(\d+) > layers.\1.mlp_input.query
    attn_res\.output_query > final_input.query
    family inkling2_text
    model\.llm\.unembed\. > lm_head.
    Inkling2UnpadVocab: lm_head\.weight > lm_head.weight
    model\.llm\. > model.
    embed\.weight > embed_tokens.weight
    embed_norm\. > embed_tokens.embed_norm.
    interleave1: mlp\.experts\.w13_weight > mlp.experts.gate_up_proj
    interleave1: mlp\.experts\.w13_weight_scale > mlp.experts.gate_up_proj_scale_inv
    mlp\.experts\.w2_weight > mlp.experts.down_proj
    mlp\.experts\.w2_weight_scale > mlp.experts.down_proj_scale_inv
    mlp.gate.bias > mlp.gate.e_score_correction_bias
    \.attn\. > .self_attn.
    self_attn\.wq_du > self_attn.q_proj.linear
    self_attn\.wk_dv > self_attn.k_proj.linear
    self_attn\.wv_dv > self_attn.v_proj.linear
    self_attn\.k_sconv\. > self_attn.k_proj.sconv.
    self_attn\.v_sconv\. > self_attn.v_proj.sconv.
    self_attn\.rel_logits_proj\. > self_attn.relative_position_bias.
    self_attn\.wr_du > self_attn.relative_position_bias.linear
    self_attn\.q_l2_clip\. > self_attn.q_proj.norm.
    self_attn\.rel_l2_clip\. > self_attn.relative_position_bias.norm.
    self_attn\.wo_ud > self_attn.o_proj.linear
    self_attn\.gate_attn > self_attn.o_proj.gate_proj
    self_attn\.attn_sink_proj > self_attn.sink_proj
    attn_sconv\. > post_attention_convolution.
    mlp_sconv\. > post_mlp_convolution.
    (convolution|sconv)\.weight(?!_) > \1.conv1d.weight
    (convolution|sconv)\.static_w > \1.static_weight
    (convolution|sconv)\.weight_proj > \1.weight_proj.weight
    mlp_norm > post_attention_layernorm
    attn_norm > input_layernorm
    (q|k|v)_input_norm > \1_input_layernorm
    Inkling2IndexOffsetWeightRename: attn_res\.attn_queries\.(\d+) > layers.\1.attention_input.query
    attn_res\.mlp_queries\.(\d+) > layers.\1.mlp_input.query
    attn_res\.output_query > final_input.query
    family inkling_mm_model
    model\.llm\.layers > model.language_model.layers
    model\.llm\.embed_norm\.weight > model.language_model.embed_tokens.embed_norm.weight
    model\.llm\.embed\.weight > model.language_model.embed_tokens.weight
    model\.llm\.norm\.weight > model.language_model.norm.weight
    model\.llm\.unembed\.weight > lm_head.weight
    model\.audio\. > model.audio_tower.
    model\.visual > model.vision_tower
    vision_tower.layers.linear_(\d+) > vision_tower.encoder_layers.\1.projection
    vision_tower.layers.norm_(\d+) > vision_tower.encoder_layers.\1.layer_norm
    audio_tower.encoder.weight > audio_tower.embed_audio_tokens.embed_audio_tokens.weight
    audio_tower.final_norm.weight > audio_tower.norm.weight
    interleave1+chunk1: shared_w13_weight > gate_proj up_proj
    shared_w2_weight > down_proj
    interleave1: mlp.experts.w13_weight > mlp.experts.gate_up_proj
    mlp.experts.w2_weight > mlp.experts.down_proj
    interleave0+chunk0: mlp.w13_dn.weight > mlp.gate_proj.weight mlp.up_proj.weight
    mlp.w2_md.weight > mlp.down_proj.weight
    mlp.gate.bias > mlp.gate.e_score_correction_bias
    attn\.wq_du > self_attn.q_proj
    attn\.wk_dv > self_attn.k_proj
    attn\.wv_dv > self_attn.v_proj
    attn\.wr_du > self_attn.r_proj
    attn\.wo_ud > self_attn.o_proj
    \.attn\.q_norm > .self_attn.q_norm
    \.attn\.k_norm > .self_attn.k_norm
    \.attn\.k_sconv > .self_attn.k_sconv.conv1d
    \.attn\.v_sconv > .self_attn.v_sconv.conv1d
    \.attn\.rel_logits_proj > .self_attn.rel_logits_proj
    attn_sconv\.weight > attn_sconv.conv1d.weight
    mlp_sconv\.weight > mlp_sconv.conv1d.weight
    mlp_norm > post_attention_layernorm
    attn_norm > input_layernorm
    family jamba
    stack+join1: feed_forward.experts.*.gate_proj.weight feed_forward.experts.*.up_proj.weight > feed_forward.experts.gate_up_proj
    stack: feed_forward.experts.*.down_proj.weight > feed_forward.experts.down_proj
    family jev
    ^weight > proj.weight
    family jina_embeddings_v3
    emb_ln > embeddings.LayerNorm
    encoder.layers > layers
    mixer.out_proj > self_attn.o_proj
    norm1 > post_attention_layernorm
    norm2 > post_mlp_layernorm
    chunk0: mixer.Wqkv > self_attn.q_proj self_attn.k_proj self_attn.v_proj
    family kimi_k25
    language_model.model > model.language_model
    language_model.lm_head > lm_head
    GroupWeightRename: vision_tower.encoder.blocks.(\d+).norm0 vision_tower.encoder.blocks.(\d+).norm1 > vision_tower.encoder.blocks.\1.norm1 vision_tower.encoder.blocks.\1.norm2
    GroupWeightRename: vision_tower.encoder.blocks.(\d+).mlp.fc0 vision_tower.encoder.blocks.(\d+).mlp.fc1 > vision_tower.encoder.blocks.\1.mlp.fc1 vision_tower.encoder.blocks.\1.mlp.fc2
    vision_tower.encoder.blocks.(\d+).wo > vision_tower.encoder.blocks.\1.attn.proj
    vision_tower.encoder > model.vision_tower
    mm_projector.proj.0 > model.mm_projector.in_proj
    mm_projector.proj.2 > model.mm_projector.out_proj
    blocks > layers
    vision_tower.patch_embed.pos_emb.weight > model.vision_tower.patch_embed.pos_emb.position_embeddings
    chunk0+rope(vision_config;q_proj,k_proj): wqkv > attn.q_proj attn.k_proj attn.v_proj
    stack+join1: mlp.experts.*.gate_proj.weight mlp.experts.*.up_proj.weight > mlp.experts.gate_up_proj
    stack: mlp.experts.*.down_proj.weight > mlp.experts.down_proj
    family kimi_linear
    self_attn\.f_a_proj\. > self_attn.forget_gate.f_a_proj.
    self_attn\.f_b_proj\. > self_attn.forget_gate.f_b_proj.
    self_attn\.dt_bias > self_attn.forget_gate.dt_bias
    self_attn\.A_log > self_attn.forget_gate.A_log
    join0: self_attn.q_conv1d.weight self_attn.k_conv1d.weight self_attn.v_conv1d.weight > self_attn.conv1d.weight
    \.block_sparse_moe\. > .mlp.
    stack+join1: \.experts.*.w1.weight \.experts.*.w3.weight > .experts.gate_up_proj
    stack: \.experts.*.w2.weight > .experts.down_proj
    family kolibri1
    stack+join1: mlp.experts.*.gate_proj.weight mlp.experts.*.up_proj.weight > mlp.experts.gate_up_proj
    stack: mlp.experts.*.down_proj.weight > mlp.experts.down_proj
    moe.router.expert_bias > mlp.gate.e_score_correction_bias
    post_attn_norm > post_self_attn_layernorm
    post_ffn_norm > post_mlp_layernorm
    family laguna
    stack+join1: mlp.experts.*.gate_proj.weight mlp.experts.*.up_proj.weight > mlp.experts.gate_up_proj
    stack: mlp.experts.*.down_proj.weight > mlp.experts.down_proj
    mlp.experts.e_score_correction_bias > mlp.gate.e_score_correction_bias
    mlp.shared_expert. > mlp.shared_experts.
    family lara_mini
    linear_attn\.out_norm\. > linear_attn.norm.
    split0: linear_attn.in_proj > linear_attn.in_proj_qkv linear_attn.in_proj_z linear_attn.in_proj_b linear_attn.in_proj_a
    family legacy
    LayerNorm.gamma > LayerNorm.weight
    LayerNorm.beta > LayerNorm.bias
    .weight_g > .parametrizations.weight.original0
    .weight_v > .parametrizations.weight.original1
    ^model\.language_model\.model ^language_model\.model\.model > model.language_model
    family lfm2_moe
    stack+join1: feed_forward.experts.*.w1.weight feed_forward.experts.*.w3.weight > feed_forward.experts.gate_up_proj
    stack: feed_forward.experts.*.w2.weight > feed_forward.experts.down_proj
    family lfm3
    \.self_attn\.gate_proj\. > .self_attn.g_proj.
    family lfm3_vl_vision
    patchifier > patch_embed
    q_layernorm > q_norm
    k_layernorm > k_norm
    family llava aria paligemma aya_vision got_ocr2 gemma3 internvl vipllava mistral3 pp_chart2table
    ^language_model.lm_head > lm_head
    ^language_model > model.language_model
    ^vision_tower > model.vision_tower
    ^multi_modal_projector > model.multi_modal_projector
    family llava_next llava_next_video llava_onevision
    ^language_model.lm_head > lm_head
    ^language_model > model.language_model
    ^vision_tower > model.vision_tower
    ^multi_modal_projector > model.multi_modal_projector
    ^image_newline > model.image_newline
    family lw_detr
    attention.attention.query > attention.q_proj
    attention.attention.key > attention.k_proj
    attention.attention.value > attention.v_proj
    attention.output > attention.o_proj
    family maskformer
    layers.(\d+).fc1 > layers.\1.mlp.fc1
    layers.(\d+).fc2 > layers.\1.mlp.fc2
    family mimo_v2_flash
    stack+join1: mlp.experts.*.gate_proj.weight mlp.experts.*.up_proj.weight > mlp.experts.gate_up_proj
    stack: mlp.experts.*.down_proj.weight > mlp.experts.down_proj
    self_attn.attention_sink_bias > self_attn.sinks
    family minimax_m2
    .block_sparse_moe. > .mlp.
    stack+join1: .experts.*.w1.weight .experts.*.w3.weight > .experts.gate_up_proj
    stack: .experts.*.w2.weight > .experts.down_proj
    .block_sparse_moe.e_score_correction_bias > .mlp.e_score_correction_bias
    family minimax_m3_vl
    ^language_model\.lm_head > lm_head
    ^language_model\.model\. > model.language_model.
    ^vision_tower\.vision_model\.embeddings\.patch_embedding\. > model.vision_tower.embeddings.proj.
    ^vision_tower\.vision_model\.encoder\.layers\. > model.vision_tower.layers.
    ^vision_tower\.vision_model\.pre_layrnorm\. > model.vision_tower.pre_layrnorm.
    ^multi_modal_projector\.linear_1\. > model.multi_modal_projector.linear_1.
    ^multi_modal_projector\.linear_2\. > model.multi_modal_projector.linear_2.
    ^patch_merge_mlp\.linear_1\. > model.multi_modal_projector.merge_linear_1.
    ^patch_merge_mlp\.linear_2\. > model.multi_modal_projector.merge_linear_2.
    \.block_sparse_moe\.(experts|gate|shared_experts)\. > .mlp.\1.
    \.block_sparse_moe\.e_score_correction_bias > .mlp.gate.e_score_correction_bias
    \.self_attn\.index_q_proj\. > .self_attn.indexer.q_proj.
    \.self_attn\.index_k_proj\. > .self_attn.indexer.k_proj.
    \.self_attn\.index_q_norm\. > .self_attn.indexer.q_norm.
    \.self_attn\.index_k_norm\. > .self_attn.indexer.k_norm.
    stack+join1: \.experts.*.w1.weight \.experts.*.w3.weight > .experts.gate_up_proj
    stack: \.experts.*.w2.weight > .experts.down_proj
    join0: \.gate_proj.weight \.up_proj.weight > .gate_up_proj.weight
    family mistral_large4
    ^vision_encoder\. > model.vision_tower.
    ^tok_embeddings\. > model.language_model.embed_tokens.
    ^lerope\.alpha > model.language_model.rotary_emb.alpha
    ^layers\. > model.language_model.layers.
    ^norm\. > model.language_model.norm.
    ^output\. > lm_head.
    ^pre_mm_projector_norm\. > model.multi_modal_projector.norm.
    ^patch_merger\. > model.multi_modal_projector.patch_merger.
    ^vision_language_adapter\.w_in\. > model.multi_modal_projector.linear_1.
    ^vision_language_adapter\.w_out\. > model.multi_modal_projector.linear_2.
    \.wv\. > .v_proj.
    \.wo\. > .o_proj.
    \.(feed_forward|shared_experts)\.w1\. > .\1.gate_proj.
    \.(feed_forward|shared_experts)\.w2\. > .\1.down_proj.
    \.(feed_forward|shared_experts)\.w3\. > .\1.up_proj.
    rope(vision_config;): attention\.wq\. > attention.q_proj.
    rope(vision_config;): attention\.wk\. > attention.k_proj.
    family mistral_large4_text
    \.attention\. > .self_attn.
    \.wq\. > .q_proj.
    \.wkv_a_with_mqa\. > .kv_a_proj_with_mqa.
    \.wkv_b\. > .kv_b_proj.
    \.attention_norm\. > .input_layernorm.
    \.ffn_norm\. > .post_attention_layernorm.
    \.kv_a_norm\. > .kv_a_layernorm.
    \.feed_forward\. > .mlp.
    \.gate\. > .mlp.gate.
    \.experts\. > .mlp.experts.
    \.shared_experts\. > .mlp.shared_experts.
    \.ssmax_scaling.s > .softmax_scaling.scale
    \.ssmax_scaling.b > .softmax_scaling.bias
    stack+join1: \.experts.*.w1.weight \.experts.*.w3.weight > .experts.gate_up_proj
    stack: \.experts.*.w2.weight > .experts.down_proj
    family mixtral minimax
    .block_sparse_moe. > .mlp.
    stack+join1: .experts.*.w1.weight .experts.*.w3.weight > .experts.gate_up_proj
    stack: .experts.*.w2.weight > .experts.down_proj
    family mllama
    ^language_model.lm_head > lm_head
    ^language_model > model.language_model
    ^vision_model > model.vision_model
    ^multi_modal_projector > model.multi_modal_projector
    family molmo2
    (?<!image_vit\.)transformer\.(?!ln_f\.|blocks\.) > language_model.
    (?<!image_vit\.)transformer\.ln_f\. > language_model.norm.
    (?<!image_vit\.)transformer\.blocks\. > language_model.layers.
    vision_backbone\.image_vit\.(?!transformer\.resblocks\.) > vision_tower.
    vision_backbone\.image_vit\.transformer\.resblocks\. > vision_tower.layers.
    vision_backbone\.image_pooling_2d\. > multi_modal_projector.image_pooling_2d.
    vision_backbone\.image_projector\. > multi_modal_projector.image_projector.
    \.attention\.wq > .self_attn.q_proj
    \.attention\.wk > .self_attn.k_proj
    \.attention\.wv > .self_attn.v_proj
    \.attention\.wo > .self_attn.o_proj
    \.feed_forward\.w1 > .mlp.fc1
    \.feed_forward\.w2 > .mlp.fc2
    \.attention_norm > .layer_norm1
    \.ffn_norm > .layer_norm2
    image_pooling_2d\.wq > image_pooling_2d.q_proj
    image_pooling_2d\.wk > image_pooling_2d.k_proj
    image_pooling_2d\.wv > image_pooling_2d.v_proj
    image_pooling_2d\.wo > image_pooling_2d.o_proj
    image_projector\.w1 > image_projector.gate_proj
    image_projector\.w2 > image_projector.down_proj
    image_projector\.w3 > image_projector.up_proj
    family nemo_speechlm
    ^perception\.encoder\.asr_encoder\. > model.audio_tower.asr_encoder.
    ^perception\.encoder\.diarization_model\.encoder\. > model.audio_tower.diarization_model.model.audio_tower.
    ^ctc_timestamp\.decoder\.transformer\. > model.word_timestamp_encoder.
    ^ctc_timestamp\.decoder\.upsample\. > model.word_timestamp_encoder.upsampler.
    ^ctc_timestamp\.decoder\.decoder_layers\.0\. > word_timestamp_head.
    ^perception\.encoder\.diarization_model\.sortformer_modules\.encoder_proj\. > model.audio_tower.diarization_model.model.proj.
    ^perception\.encoder\.diarization_model\.sortformer_modules\.subpixel_upsample\. > model.audio_tower.diarization_model.model.upsampler.conv.
    ^perception\.encoder\.diarization_model\.sortformer_modules\.first_hidden_to_hidden\. > model.audio_tower.diarization_model.classifier.dense.
    ^perception\.encoder\.diarization_model\.sortformer_modules\.single_hidden_to_spks\. > model.audio_tower.diarization_model.classifier.out_proj.
    ^perception\.encoder\.diarization_model\.sortformer_modules\.learnable_sil_emb > model.audio_tower.diarization_model.silence_embeds
    ^perception\.encoder\.asr_norm\. > model.audio_tower.asr_norm.
    ^perception\.encoder\.diar_norm\. > model.audio_tower.speaker_norm.
    ^perception\.proj\. > model.multi_modal_projector.
    ^llm\.model\.embed_tokens\. > model.language_model.embeddings.
    ^llm\.model\.norm\. > model.language_model.norm_f.
    ^llm\.model\.layers\. > model.language_model.layers.
    ^llm\.lm_head\. > lm_head.
    \.pre_encode\.proj\. > .embedder.projection.
    \.embed_norm\. > .input_layer_norm.
    \.final_norm\. > .layer_norm.
    \.norm1\. > .layer_norm1.
    \.norm2\. > .layer_norm2.
    \.attn\.out_proj\. > .self_attn.o_proj.
    \.attn\.q_norm\. > .self_attn.q_norm.
    \.attn\.k_norm\. > .self_attn.k_norm.
    \.ffn\.net\.0\. > .mlp.fc1.
    \.ffn\.net\.3\. > .mlp.fc2.
    \.mixer\._fp32_params\.A_log > .mixer.A_log
    \.mixer\._fp32_params\.D > .mixer.D
    \.mixer\._fp32_params\.dt_bias > .mixer.dt_bias
    chunk0: \.attn\.w_qkv\.weight > .self_attn.q_proj.weight .self_attn.k_proj.weight .self_attn.v_proj.weight
    transpose12: \.mixer\.experts\.gate_and_up_projs > .mixer.experts.up_proj
    transpose12: \.mixer\.experts\.down_projs > .mixer.experts.down_proj
    family nemotron_h
    backbone. > model.
    stack: mixer.experts.*.up_proj.weight > mixer.experts.up_proj
    stack: mixer.experts.*.down_proj.weight > mixer.experts.down_proj
    family nomic_bert
    encoder.layers > layers
    emb_ln > embeddings.LayerNorm
    attn.out_proj > self_attn.o_proj
    fc11 > up_proj
    fc12 > gate_proj
    fc2 > down_proj
    norm1 > post_attention_layernorm
    norm2 > post_mlp_layernorm
    chunk0: attn.Wqkv > self_attn.q_proj self_attn.k_proj self_attn.v_proj
    family olmo_hybrid
    attention_layer_norm > input_layernorm
    feedforward_layer_norm > post_attention_layernorm
    join0: linear_attn.q_conv1d.weight linear_attn.k_conv1d.weight linear_attn.v_conv1d.weight > linear_attn.conv1d.weight
    family paddleocr_vl
    ^mlp_AR > model.projector
    ^visual > model.visual
    ^model(?!(\.visual|\.projector|\.language_model)) > model.language_model
    family phimoe
    .block_sparse_moe. > .mlp.
    .gate.weight > .router.weight
    stack+join1: .experts.*.w1.weight .experts.*.w3.weight > .experts.gate_up_proj
    stack: .experts.*.w2.weight > .experts.down_proj
    family pi0
    ^model\.(.+) > \1
    state_proj > embed_action_time.state_proj
    action_in_proj > embed_action_time.action_in_proj
    action_time_mlp_in > embed_action_time.action_time_mlp_in
    action_time_mlp_out > embed_action_time.action_time_mlp_out
    ^paligemma_with_expert.paligemma.model > model.vlm
    ^paligemma_with_expert.gemma_expert.model > model.dit
    ^paligemma_with_expert.gemma_expert.lm_head > model.dit.embed_tokens
    ^paligemma_with_expert.paligemma.lm_head > model.vlm.language_model.embed_tokens
    family pixio
    encoder\.layer\. > layers.
    attention.query > q_proj
    attention.key > k_proj
    attention.value > v_proj
    attention.output.dense > attention.o_proj
    intermediate.dense > mlp.fc1
    output.dense > mlp.fc2
    norm1 > layernorm_before
    norm2 > layernorm_after
    ^encoder\. > pixio.
    family pp_doclayout_v4
    decoder_roor_order_head. > decoder.successor_order_head.proj.
    decoder_roor_global_pointer. > decoder.successor_order_head.global_pointer.
    decoder_order_head. > decoder.relative_order_head.proj.
    decoder_global_pointer. > decoder.relative_order_head.global_pointer.
    s2r_fusion.a > decoder.relative_order_head.s2r_fusion.closure_weight
    out_proj > o_proj
    layers.(\d+).fc1 > layers.\1.mlp.fc1
    layers.(\d+).fc2 > layers.\1.mlp.fc2
    encoder.encoder.(\d+).layers > encoder.aifi.\1.layers
    family qianfan_ocr
    ^vision_model\. > model.vision_tower.
    encoder\.layers\. > layers.
    \.ls1 > .lambda_1
    \.ls2 > .lambda_2
    (layers\.\d+)\.attn\.proj\. > \1.attention.projection_layer.
    \.norm1\. > .layernorm_before.
    \.norm2\. > .layernorm_after.
    \.embeddings\.class_embedding > .embeddings.cls_token
    \.embeddings\.position_embedding > .embeddings.position_embeddings
    \.embeddings\.patch_embedding\. > .embeddings.patch_embeddings.projection.
    ^language_model\.model\. > model.language_model.
    ^language_model\.lm_head\. > lm_head.
    ^mlp1\.0\. > model.multi_modal_projector.layer_norm.
    ^mlp1\.1\. > model.multi_modal_projector.linear_1.
    ^mlp1\.3\. > model.multi_modal_projector.linear_2.
    chunk0: attn.qkv.weight > attention.q_proj.weight attention.k_proj.weight attention.v_proj.weight
    chunk0: attn.qkv.bias > attention.q_proj.bias attention.k_proj.bias attention.v_proj.bias
    family qwen2_audio voxtral voxtral_realtime audioflamingo3 glmasr musicflamingo
    ^language_model.lm_head > lm_head
    ^language_model > model.language_model
    ^audio_tower > model.audio_tower
    ^multi_modal_projector > model.multi_modal_projector
    family qwen2_moe Dots3NoteTextModel afmoe deepseek_v2 deepseek_v3 deepseek_v32 dots1 glm4_moe glm4_moe_lite glm_moe_dsa glm4v_moe longcat_flash solar_open mellum qwen3_moe beam qwen3_omni_moe qwen3_omni_moe_thinker qwen3_omni_moe_text qwen3_next hunyuan_v1_moe flex_olmo olmoe sarvam_mla cohere2_moe UnlimitedOcrTextModel
    stack+join1: mlp.experts.*.gate_proj.weight mlp.experts.*.up_proj.weight > mlp.experts.gate_up_proj
    stack: mlp.experts.*.down_proj.weight > mlp.experts.down_proj
    family qwen3_5_moe_text
    ^model\.language_model\.(.+) > model.\1
    stack+join1: mlp.experts.*.gate_proj.weight mlp.experts.*.up_proj.weight > mlp.experts.gate_up_proj
    stack: mlp.experts.*.down_proj.weight > mlp.experts.down_proj
    family qwen3_5_text apertus1p5_text gemma3n_text
    ^model\.language_model\.(.+) > model.\1
    family qwen3_vl_moe
    transpose12: mlp.experts.gate_up_proj > mlp.experts.gate_up_proj
    transpose12: mlp.experts.down_proj > mlp.experts.down_proj
    family qwen4_exp_text
    ^model\.language_model\.(.+) > model.\1
    stack+join1: mlp.experts.*.gate_proj.weight mlp.experts.*.up_proj.weight > mlp.experts.gate_up_proj
    stack: mlp.experts.*.down_proj.weight > mlp.experts.down_proj
    Concatenate: ngram_embedding.shard_*.weight > ngram_embedding.weight
    family radio
    radio_model.model.patch_generator.video_embedder > embeddings.video_patch_projection
    radio_model.model.patch_generator.embedder > embeddings.patch_projection
    radio_model.model.patch_generator.pos_embed > embeddings.position_embedding
    radio_model.model.patch_generator.cls_token.token > embeddings.cls_register_token
    radio_model.model.blocks > encoder.layer
    attn.proj > attention.o_proj
    radio_model.input_conditioner > input_conditioner
    radio_model.summary_idxs > summary_idxs
    chunk0: attn.qkv > attention.q_proj attention.k_proj attention.v_proj
    family rt_detr rt_detr_v2 pp_doclayout_v2 pp_doclayout_v3
    out_proj > o_proj
    layers.(\d+).fc1 > layers.\1.mlp.fc1
    layers.(\d+).fc2 > layers.\1.mlp.fc2
    encoder.encoder.(\d+).layers > encoder.aifi.\1.layers
    family sam3_tracker sam3_tracker_video
    detector_model.vision_encoder.backbone. > vision_encoder.backbone.
    tracker_neck. > vision_encoder.neck.
    tracker_model.(.+) > \1
    family sapiens2
    ^cls_token > embeddings.cls_token
    ^storage_tokens > embeddings.register_tokens
    ^patch_embed\.projection\. > embeddings.patch_embeddings.
    blocks\.(\d+)\. > model.layer.\1.
    attn\.proj\. > attention.o_proj.
    attn\.wq\. > attention.q_proj.
    attn\.wk\. > attention.k_proj.
    attn\.wv\. > attention.v_proj.
    attn\.q_norm\. > attention.q_norm.
    attn\.k_norm\. > attention.k_norm.
    attn\.gamma\.weight > layer_scale1.lambda1
    ffn\.w3\. > mlp.down_proj.
    \.ln1\. > .norm1.
    \.ln2\. > .norm2.
    ^ln1\. > norm.
    chunk0: ffn\.w12\.weight > mlp.gate_proj.weight mlp.up_proj.weight
    chunk0: ffn\.w12\.bias > mlp.gate_proj.bias mlp.up_proj.bias
    family sarvam_moe
    stack+join1: mlp.experts.*.gate_proj.weight mlp.experts.*.up_proj.weight > mlp.experts.gate_up_proj
    stack: mlp.experts.*.down_proj.weight > mlp.experts.down_proj
    ^model\.word_embeddings\. > model.embed_tokens.
    \.attention\. > .self_attn.
    split0: query_key_value > q_proj k_proj v_proj
    \.self_attn\.dense\. > .self_attn.o_proj.
    \.self_attn\.query_layernorm\. > .self_attn.q_norm.
    \.self_attn\.key_layernorm\. > .self_attn.k_norm.
    \.mlp\.gate\.expert_bias > .mlp.gate.e_score_correction_bias
    family shieldgemma2
    ^model\.(?:(?!model\.))(.+) > model.model.\1
    family step3p5_vision
    ^conv1\.weight > embeddings.patch_embedding.weight
    ^positional_embedding > embeddings.position_embedding.weight
    ^transformer\.resblocks\. > layers.
    ^ln_pre\. > pre_layernorm.
    ^vit_downsampler1\. > downsampler1.
    ^vit_downsampler2\. > downsampler2.
    \.ls_1\.gamma > .lambda_1
    \.ls_2\.gamma > .lambda_2
    \.mlp\.c_fc\. > .mlp.fc1.
    \.mlp\.c_proj\. > .mlp.fc2.
    \.attn\. > .self_attn.
    \.ln_1\. > .layernorm_before.
    \.ln_2\. > .layernorm_after.
    chunk0+rope(vision_config;q_proj,k_proj): attn\.in_proj_weight > attn.q_proj.weight attn.k_proj.weight attn.v_proj.weight
    chunk0+rope(vision_config;q_proj,k_proj): attn\.in_proj_bias > attn.q_proj.bias attn.k_proj.bias attn.v_proj.bias
    family step3p7
    ^vision_model\. > model.vision_model.
    ^vit_large_projector\. > model.multi_modal_projector.
    ^model\.embed_tokens\. > model.language_model.embed_tokens.
    ^model\.layers\. > model.language_model.layers.
    ^model\.norm\. > model.language_model.norm.
    \.moe\.gate\.weight > .mlp.gate.weight
    \.moe\.router_bias > .mlp.gate.e_score_correction_bias
    \.moe\.down_proj\.weight > .mlp.experts.down_proj
    \.moe\.down_proj\.weight_scale_inv > .mlp.experts.down_proj_scale_inv
    \.share_expert\. > .mlp.shared_experts.
    join1: moe.gate_proj.weight moe.up_proj.weight > mlp.experts.gate_up_proj
    family swin
    attention.self.query > attention.q_proj
    attention.self.key > attention.k_proj
    attention.self.value > attention.v_proj
    attention.self.relative_position_bias_table > attention.relative_position_bias.relative_position_bias_table
    attention.output.dense > attention.o_proj
    intermediate.dense > mlp.fc1
    output.dense > mlp.fc2
    family t5gemma2_encoder
    (?<!decoder\.)(?<!text_model\.)embed_tokens\. > text_model.embed_tokens.
    (?<!decoder\.)(?<!text_model\.)(?<!layer)(?<!_)norm\. > text_model.norm.
    (?<!vision_model.encoder\.)(?<!vision_tower.encoder\.)(?<!decoder\.)(?<!text_model\.)layers. > text_model.layers.
    family timesfm2_5
    ff0 > fc1
    ff1 > fc2
    family timm_wrapper
    ^(?:(?!timm_model\.))(.+) > timm_model.\1
    family tipsv2
    text_encoder > text_model
    vision_encoder > vision_model
    family tipsv2_dpt
    vision_encoder > backbone
    head\.reassemble\.readout_projects\.(\d+) > neck.reassemble_stage.readout_projects.\1.layers.0
    head\.reassemble\.out_projections\.(\d+)\. > neck.reassemble_stage.layers.\1.projection.
    head\.reassemble\.resize_layers\.(\d+)\. > neck.reassemble_stage.layers.\1.resize.
    head\.fusion_blocks\.(\d+)\.out_conv\. > neck.fusion_stage.layers.\1.projection.
    head\.fusion_blocks\.(\d+)\.main_unit\.conv1\. > neck.fusion_stage.layers.\1.residual_layer2.convolution1.
    head\.fusion_blocks\.(\d+)\.main_unit\.conv2\. > neck.fusion_stage.layers.\1.residual_layer2.convolution2.
    head\.fusion_blocks\.(\d+)\.residual_unit\.conv1\. > neck.fusion_stage.layers.\1.residual_layer1.convolution1.
    head\.fusion_blocks\.(\d+)\.residual_unit\.conv2\. > neck.fusion_stage.layers.\1.residual_layer1.convolution2.
    head\.convs > neck.convs
    head\.project > decoder.project
    depth_head\.depth_head\. > depth_decoder.head.
    normals_head\.normals_head\. > normals_decoder.head.
    segmentation_head\.segmentation_head\. > segmentation_decoder.head.
    family unlimited_ocr
    (^|model\.)sam_model > \1vision_tower.sam_encoder
    (^|model\.)vision_model > \1vision_tower.vision_encoder
    (^|model\.)view_seperator > \1view_separator
    (^|model\.)projector\.layers\.weight > \1multi_modal_projector.weight
    (^|model\.)projector\.layers\.bias > \1multi_modal_projector.bias
    (^|model\.)embed_tokens\. > \1language_model.embed_tokens.
    (^|model\.)layers\. > \1language_model.layers.
    (^|model\.)norm\. > \1language_model.norm.
    family vibevoice_asr
    ^language_model.lm_head > lm_head
    ^language_model > model.language_model
    ^acoustic_tokenizer_encoder > model.acoustic_tokenizer_encoder
    ^semantic_tokenizer_encoder > model.semantic_tokenizer_encoder
    ^multi_modal_projector > model.multi_modal_projector
    family video_llava
    ^language_model.lm_head > lm_head
    ^language_model > model.language_model
    ^image_tower > model.image_tower
    ^video_tower > model.video_tower
    ^multi_modal_projector > model.multi_modal_projector
    family videomae
    attention\.attention\.q_bias > attention.attention.query.bias
    attention\.attention\.v_bias > attention.attention.value.bias
    family yolos
    encoder.mid_position_embeddings > encoder.interpolation.mid_position_embeddings
    model ASTForAudioClassification audio_spectrogram_transformer audio_spectrogram_transformer:.:ASTModel:audio-spectrogram-transformer
    model Aimv2Model aimv2 vision_model:vision_config:Aimv2VisionModel:aimv2_vision_model text_model:text_config:Aimv2TextModel:aimv2_text_model
    model AlignModel align text_model:text_config:AlignTextModel:align_text_model vision_model:vision_config:AlignVisionModel:align_vision_model
    model AltCLIPModel altclip text_model:text_config:AltCLIPTextModel:altclip_text_model text_model.roberta:text_config:AltRobertaModel:altclip_text_model vision_model:vision_config:AltCLIPVisionModel:altclip_vision_model
    model Apertus1p5ForConditionalGeneration model model.language_model:text_config:Apertus1p5TextModel:apertus1p5_text model.vision_tokenizer:vision_config:Apertus1p5VisionTokenizerModel:apertus1p5_vision_tokenizer model.audio_tokenizer:audio_config:WavTokenizerEncoderModel:wavtokenizer_encoder
    model Apertus1p5Model model language_model:text_config:Apertus1p5TextModel:apertus1p5_text vision_tokenizer:vision_config:Apertus1p5VisionTokenizerModel:apertus1p5_vision_tokenizer audio_tokenizer:audio_config:WavTokenizerEncoderModel:wavtokenizer_encoder
    model AriaForConditionalGeneration model model:.:AriaModel:aria model.vision_tower:vision_config:Idefics3VisionTransformer:idefics3_vision model.language_model:text_config:AriaTextModel:aria_text
    model AriaModel model vision_tower:vision_config:Idefics3VisionTransformer:idefics3_vision language_model:text_config:AriaTextModel:aria_text
    model AudioFlamingo3ForConditionalGeneration model model:.:AudioFlamingo3Model:audioflamingo3 model.audio_tower:audio_config:AudioFlamingo3Encoder:audioflamingo3_encoder model.language_model:text_config:Qwen2Model:qwen2
    model AudioFlamingo3Model model audio_tower:audio_config:AudioFlamingo3Encoder:audioflamingo3_encoder language_model:text_config:Qwen2Model:qwen2
    model AyaVisionForConditionalGeneration model model:.:AyaVisionModel:aya_vision model.vision_tower:vision_config:SiglipVisionModel:siglip_vision_model model.language_model:text_config:Cohere2Model:cohere2
    model AyaVisionModel model vision_tower:vision_config:SiglipVisionModel:siglip_vision_model language_model:text_config:Cohere2Model:cohere2
    model BarkModel . semantic:semantic_config:BarkSemanticModel:semantic coarse_acoustics:coarse_acoustics_config:BarkCoarseModel:coarse_acoustics fine_acoustics:fine_acoustics_config:BarkFineModel:fine_acoustics codec_model:codec_config:EncodecModel:encodec
    model BeitBackbone beit beit:.:BeitModel:beit
    model BeitForImageClassification beit beit:.:BeitModel:beit
    model Blip2ForConditionalGeneration blip vision_model:vision_config:Blip2VisionModel:blip_2_vision_model qformer:qformer_config:Blip2QFormerModel:blip_2_qformer language_model:text_config:OPTForCausalLM:opt language_model.model:text_config:OPTModel:opt language_model.model.decoder:text_config:OPTDecoder:opt
    model Blip2ForImageTextRetrieval blip vision_model:vision_config:Blip2VisionModel:blip_2_vision_model qformer:qformer_config:Blip2QFormerModel:blip_2_qformer
    model Blip2Model blip vision_model:vision_config:Blip2VisionModel:blip_2_vision_model qformer:qformer_config:Blip2QFormerModel:blip_2_qformer language_model:text_config:OPTForCausalLM:opt language_model.model:text_config:OPTModel:opt language_model.model.decoder:text_config:OPTDecoder:opt
    model BlipForConditionalGeneration blip vision_model:vision_config:BlipVisionModel:blip_vision_model text_decoder:text_config:BlipTextLMHeadModel:blip_text_model text_decoder.bert:text_config:BlipTextModel:blip_text_model
    model BlipForQuestionAnswering blip vision_model:vision_config:BlipVisionModel:blip_vision_model text_encoder:text_config:BlipTextModel:blip_text_model text_decoder:text_config:BlipTextLMHeadModel:blip_text_model text_decoder.bert:text_config:BlipTextModel:blip_text_model
    model BlipModel blip text_model:text_config:BlipTextModel:blip_text_model vision_model:vision_config:BlipVisionModel:blip_vision_model
    model BltForCausalLM model model.local_encoder:encoder_config:BltLocalEncoder:blt_local_encoder model.global_transformer:global_config:BltGlobalTransformer:blt_global_transformer model.local_decoder:decoder_config:BltLocalDecoder:blt_local_decoder model.patcher:patcher_config:BltPatcher:blt_patcher
    model BltModel model local_encoder:encoder_config:BltLocalEncoder:blt_local_encoder global_transformer:global_config:BltGlobalTransformer:blt_global_transformer local_decoder:decoder_config:BltLocalDecoder:blt_local_decoder patcher:patcher_config:BltPatcher:blt_patcher
    model BridgeTowerModel bridgetower vision_model:vision_config:BridgeTowerVisionModel:bridgetower_vision_model text_model:text_config:BridgeTowerTextModel:bridgetower_text_model
    model CHMv2ForDepthEstimation chmv2 backbone:backbone_config:DINOv3ViTBackbone:dinov3_vit backbone.model:backbone_config:DINOv3ViTEncoder:dinov3_vit
    model CLIPForImageClassification clip vision_model:vision_config:CLIPVisionModel:clip_vision_model
    model CLIPModel clip text_model:text_config:CLIPTextModel:clip_text_model vision_model:vision_config:CLIPVisionModel:clip_vision_model
    model CLIPSegModel clip text_model:text_config:CLIPSegTextModel:clipseg_text_model vision_model:vision_config:CLIPSegVisionModel:clipseg_vision_model
    model CanaryForConditionalGeneration model model.encoder:encoder_config:ParakeetEncoder:parakeet_encoder model.decoder:decoder_config:CanaryDecoder:canary_decoder
    model CanaryModel model encoder:encoder_config:ParakeetEncoder:parakeet_encoder decoder:decoder_config:CanaryDecoder:canary_decoder
    model ChameleonForConditionalGeneration model model.vqmodel:vq_config:ChameleonVQVAE:chameleon_vqgan
    model ChameleonModel model vqmodel:vq_config:ChameleonVQVAE:chameleon_vqgan
    model ChineseCLIPModel chinese_clip text_model:text_config:ChineseCLIPTextModel:chinese_clip_text_model vision_model:vision_config:ChineseCLIPVisionModel:chinese_clip_vision_model
    model ClapModel clap text_model:text_config:ClapTextModel:clap_text_model audio_model:audio_config:ClapAudioModel:clap_audio_model
    model ClvpModelForConditionalGeneration model speech_decoder_model:decoder_config:ClvpForCausalLM:clvp_decoder speech_decoder_model.model:decoder_config:ClvpModel:clvp_decoder speech_decoder_model.model.decoder:decoder_config:ClvpDecoder:clvp_decoder text_encoder_model:text_config:ClvpEncoder:clvp_encoder speech_encoder_model:speech_config:ClvpEncoder:clvp_encoder
    model Cohere2VisionForConditionalGeneration model model.vision_tower:vision_config:SiglipVisionModel:siglip_vision_model model.language_model:text_config:Cohere2Model:cohere2
    model Cohere2VisionModel model vision_tower:vision_config:SiglipVisionModel:siglip_vision_model language_model:text_config:Cohere2Model:cohere2
    model CohereAsrForConditionalGeneration model model.encoder:encoder_config:ParakeetEncoder:parakeet_encoder
    model CohereAsrModel model encoder:encoder_config:ParakeetEncoder:parakeet_encoder
    model ColModernVBertForRetrieval vlm vlm.vision_model:vlm_config.vision_config:SiglipVisionModel:siglip_vision_model vlm.text_model:vlm_config.text_config:ModernBertModel:modernbert
    model ColPaliForRetrieval vlm vlm:vlm_config:PaliGemmaModel:paligemma vlm.vision_tower:vlm_config.vision_config:SiglipVisionModel:siglip_vision_model vlm.language_model:vlm_config.text_config:GemmaModel:gemma
    model ColQwen2ForRetrieval vlm vlm:vlm_config:Qwen2VLModel:qwen2_vl vlm.visual:vlm_config.vision_config:Qwen2VisionTransformerPretrainedModel:qwen2_vl_vision vlm.language_model:vlm_config.text_config:Qwen2VLTextModel:qwen2_vl_text
    model Cosmos3EdgeForConditionalGeneration model model.visual:vision_config:Cosmos3EdgeVisionModel:cosmos3_edge_vision model.language_model:text_config:Cosmos3EdgeTextModel:cosmos3_edge_text
    model Cosmos3EdgeModel model visual:vision_config:Cosmos3EdgeVisionModel:cosmos3_edge_vision language_model:text_config:Cosmos3EdgeTextModel:cosmos3_edge_text
    model Cosmos3OmniForConditionalGeneration model model.visual:vision_config:Qwen3VLVisionModel:qwen3_vl_vision model.language_model:text_config:Qwen3VLTextModel:qwen3_vl_text
    model Cosmos3OmniModel model visual:vision_config:Qwen3VLVisionModel:qwen3_vl_vision language_model:text_config:Qwen3VLTextModel:qwen3_vl_text
    model CsmForConditionalGeneration model depth_decoder:depth_decoder_config:CsmDepthDecoderForCausalLM:csm_depth_decoder_model depth_decoder.model:depth_decoder_config:CsmDepthDecoderModel:csm_depth_decoder_model codec_model:codec_config:MimiModel:mimi codec_model.encoder:.:MimiEncoderModel:mimi codec_model.decoder:.:MimiDecoderModel:mimi
    model DFineForObjectDetection model model.backbone.model:backbone_config:HGNetV2Backbone:hgnet_v2
    model DFineModel model backbone.model:backbone_config:HGNetV2Backbone:hgnet_v2
    model DeepseekVLForConditionalGeneration model model.vision_model:vision_config:SiglipVisionModel:siglip_vision_model model.language_model:text_config:LlamaModel:llama
    model DeepseekVLHybridForConditionalGeneration model model.high_res_vision_model:high_res_vision_config:SamVisionModel:sam_vision_model model.high_res_vision_model.vision_encoder:high_res_vision_config:SamVisionEncoder:sam_vision_model model.vision_model:vision_config:SiglipVisionModel:siglip_vision_model model.language_model:text_config:LlamaModel:llama
    model DeepseekVLHybridModel model high_res_vision_model:high_res_vision_config:SamVisionModel:sam_vision_model high_res_vision_model.vision_encoder:high_res_vision_config:SamVisionEncoder:sam_vision_model vision_model:vision_config:SiglipVisionModel:siglip_vision_model language_model:text_config:LlamaModel:llama
    model DeepseekVLModel model vision_model:vision_config:SiglipVisionModel:siglip_vision_model language_model:text_config:LlamaModel:llama
    model DeiTForImageClassification deit deit:.:DeiTModel:deit
    model DeiTForImageClassificationWithTeacher deit deit:.:DeiTModel:deit
    model DeiTForMaskedImageModeling deit deit:.:DeiTModel:deit
    model Deimv2ForObjectDetection model model.conv_encoder.model:backbone_config:HGNetV2Backbone:hgnet_v2
    model Deimv2Model model conv_encoder.model:backbone_config:HGNetV2Backbone:hgnet_v2
    model DepthAnythingForDepthEstimation depth_anything backbone:backbone_config:Dinov2Backbone:dinov2 backbone.encoder:backbone_config:Dinov2Encoder:dinov2
    model DepthProForDepthEstimation depth_pro depth_pro.encoder.patch_encoder.model:patch_model_config:Dinov2Model:dinov2 depth_pro.encoder.patch_encoder.model.encoder:patch_model_config:Dinov2Encoder:dinov2 depth_pro.encoder.image_encoder.model:image_model_config:Dinov2Model:dinov2 depth_pro.encoder.image_encoder.model.encoder:image_model_config:Dinov2Encoder:dinov2
    model DepthProModel depth_pro encoder.patch_encoder.model:patch_model_config:Dinov2Model:dinov2 encoder.patch_encoder.model.encoder:patch_model_config:Dinov2Encoder:dinov2 encoder.image_encoder.model:image_model_config:Dinov2Model:dinov2 encoder.image_encoder.model.encoder:image_model_config:Dinov2Encoder:dinov2
    model DiaForConditionalGeneration model model.encoder:encoder_config:DiaEncoder:dia_encoder model.decoder:decoder_config:DiaDecoder:dia_decoder
    model DiaModel model encoder:encoder_config:DiaEncoder:dia_encoder decoder:decoder_config:DiaDecoder:dia_decoder
    model Dinov2ForImageClassification dinov2 dinov2:.:Dinov2Model:dinov2
    model Dinov2WithRegistersForImageClassification dinov2_with_registers dinov2_with_registers:.:Dinov2WithRegistersModel:dinov2_with_registers
    model Dots3NoteForCausalLM model model:.:Dots3NoteTextModel:dots3_note_text
    model Dots3NoteForConditionalGeneration model model:.:Dots3NoteModel:dots3_note model.language_model:text_config:Dots3NoteTextModel:dots3_note_text model.vision_tower:vision_config:Dots3NoteVisionModel:dots3_note_vision_encoder model.audio_tower:audio_config:Dots3NoteAudioModel:dots3_note_audio_encoder
    model Dots3NoteModel model language_model:text_config:Dots3NoteTextModel:dots3_note_text vision_tower:vision_config:Dots3NoteVisionModel:dots3_note_vision_encoder audio_tower:audio_config:Dots3NoteAudioModel:dots3_note_audio_encoder
    model EdgeTamVideoModel edgetam_video vision_encoder:vision_config:Sam2VisionModel:sam2_vision_model vision_encoder.backbone:vision_config.backbone_config:Sam2HieraDetModel:sam2_hiera_det_model
    model EmbeddingGemma2Model model language_model:text_config:EmbeddingGemma2TextModel:embedding_gemma2_text
    model Emu3ForConditionalGeneration model model:.:Emu3Model:emu3 model.text_model:text_config:Emu3TextModel:emu3_text_model model.vqmodel:vq_config:Emu3VQVAE:emu3_vqgan
    model Emu3Model model text_model:text_config:Emu3TextModel:emu3_text_model vqmodel:vq_config:Emu3VQVAE:emu3_vqgan
    model EncoderDecoderModel encoder_decoder encoder:encoder:BertModel:bert decoder:decoder:BertLMHeadModel:bert decoder.bert:decoder:BertModel:bert
    model Ernie4_5_VLMoeForConditionalGeneration model model.language_model:text_config:Ernie4_5_VLMoeTextModel:ernie4_5_vl_moe_text model.vision_tower:vision_config:Ernie4_5_VLMoeVisionTransformerPretrainedModel:ernie4_5_vl_moe_vision
    model Ernie4_5_VLMoeModel model language_model:text_config:Ernie4_5_VLMoeTextModel:ernie4_5_vl_moe_text vision_tower:vision_config:Ernie4_5_VLMoeVisionTransformerPretrainedModel:ernie4_5_vl_moe_vision
    model EvollaForProteinText2Text model model.protein_encoder.model:protein_encoder_config:EvollaSaProtProteinEncoder:
    model EvollaModel model protein_encoder.model:protein_encoder_config:EvollaSaProtProteinEncoder:
    model Exaone4_5_ForConditionalGeneration model model.visual:vision_config:Exaone4_5_VisionModel:exaone4_5_vision model.language_model:text_config:Exaone4Model:exaone4
    model Exaone4_5_Model model visual:vision_config:Exaone4_5_VisionModel:exaone4_5_vision language_model:text_config:Exaone4Model:exaone4
    model FastSpeech2ConformerWithHifiGan . model:model_config:FastSpeech2ConformerModel:fastspeech2_conformer vocoder:vocoder_config:FastSpeech2ConformerHifiGan:fastspeech2_conformer_hifigan
    model FlavaForPreTraining flava flava.text_model:text_config:FlavaTextModel:flava_text_model flava.image_model:image_config:FlavaImageModel:flava_image_model flava.multimodal_model:multimodal_config:FlavaMultimodalModel:flava_multimodal_model image_codebook:image_codebook_config:FlavaImageCodebook:flava_image_codebook
    model FlavaModel flava text_model:text_config:FlavaTextModel:flava_text_model image_model:image_config:FlavaImageModel:flava_image_model multimodal_model:multimodal_config:FlavaMultimodalModel:flava_multimodal_model
    model Florence2ForConditionalGeneration model model.vision_tower:vision_config:Florence2VisionBackbone:florence_vision model.language_model:text_config:BartModel:bart model.language_model.encoder:text_config:BartEncoder:bart model.language_model.decoder:text_config:BartDecoder:bart
    model Florence2Model model vision_tower:vision_config:Florence2VisionBackbone:florence_vision language_model:text_config:BartModel:bart language_model.encoder:text_config:BartEncoder:bart language_model.decoder:text_config:BartDecoder:bart
    model FunAsrNanoForConditionalGeneration model model.audio_tower:audio_config:FunAsrNanoEncoder:fun_asr_nano_encoder model.language_model:text_config:Qwen3Model:qwen3
    model FunAsrNanoModel model audio_tower:audio_config:FunAsrNanoEncoder:fun_asr_nano_encoder language_model:text_config:Qwen3Model:qwen3
    model FuyuForCausalLM model model:.:FuyuModel:fuyu model.language_model:text_config:PersimmonModel:persimmon
    model FuyuModel model language_model:text_config:PersimmonModel:persimmon
    model Gemma3ForConditionalGeneration model model:.:Gemma3Model:gemma3 model.vision_tower:vision_config:SiglipVisionModel:siglip_vision_model model.language_model:text_config:Gemma3TextModel:gemma3_text
    model Gemma3ForSequenceClassification model model:.:Gemma3Model:gemma3 model.vision_tower:vision_config:SiglipVisionModel:siglip_vision_model model.language_model:text_config:Gemma3TextModel:gemma3_text
    model Gemma3Model model vision_tower:vision_config:SiglipVisionModel:siglip_vision_model language_model:text_config:Gemma3TextModel:gemma3_text
    model Gemma4ForConditionalGeneration model model.language_model:text_config:Gemma4TextModel:gemma4_text
    model Gemma4Model model language_model:text_config:Gemma4TextModel:gemma4_text
    model Gemma4UnifiedForConditionalGeneration model model.language_model:text_config:Gemma4UnifiedTextModel:gemma4_unified_text
    model Gemma4UnifiedModel model language_model:text_config:Gemma4UnifiedTextModel:gemma4_unified_text
    model GitForCausalLM git git.image_encoder:vision_config:GitVisionModel:git_vision_model
    model GitModel git image_encoder:vision_config:GitVisionModel:git_vision_model
    model Glm46VForConditionalGeneration model model.visual:vision_config:Glm4vVisionModel:glm4v_vision model.language_model:text_config:Glm4vTextModel:glm4v_text
    model Glm46VModel model visual:vision_config:Glm4vVisionModel:glm4v_vision language_model:text_config:Glm4vTextModel:glm4v_text
    model Glm4vForConditionalGeneration model model.visual:vision_config:Glm4vVisionModel:glm4v_vision model.language_model:text_config:Glm4vTextModel:glm4v_text
    model Glm4vModel model visual:vision_config:Glm4vVisionModel:glm4v_vision language_model:text_config:Glm4vTextModel:glm4v_text
    model Glm4vMoeForConditionalGeneration model model.visual:vision_config:Glm4vMoeVisionModel:glm4v_moe_vision model.language_model:text_config:Glm4vMoeTextModel:glm4v_moe_text
    model Glm4vMoeModel model visual:vision_config:Glm4vMoeVisionModel:glm4v_moe_vision language_model:text_config:Glm4vMoeTextModel:glm4v_moe_text
    model Glm5NextForConditionalGeneration model model.visual:vision_config:Glm5NextVisionModel:glm5_next_vision model.language_model:text_config:Glm5NextTextModel:glm5_next_text
    model Glm5NextModel model visual:vision_config:Glm5NextVisionModel:glm5_next_vision language_model:text_config:Glm5NextTextModel:glm5_next_text
    model GlmAsrForConditionalGeneration model model:.:GlmAsrModel:glmasr model.audio_tower:audio_config:GlmAsrEncoder:glmasr_encoder model.language_model:text_config:LlamaModel:llama
    model GlmAsrModel model audio_tower:audio_config:GlmAsrEncoder:glmasr_encoder language_model:text_config:LlamaModel:llama
    model GlmImageModel model visual:vision_config:GlmImageVisionModel:glm_image_vision language_model:text_config:GlmImageTextModel:glm_image_text vqmodel:vq_config:GlmImageVQVAE:glm_image_vqmodel
    model GlmOcrForConditionalGeneration model model.visual:vision_config:GlmOcrVisionModel:glm_ocr_vision model.language_model:text_config:GlmOcrTextModel:glm_ocr_text
    model GlmOcrModel model visual:vision_config:GlmOcrVisionModel:glm_ocr_vision language_model:text_config:GlmOcrTextModel:glm_ocr_text
    model GotOcr2ForConditionalGeneration model model:.:GotOcr2Model:got_ocr2 model.vision_tower:vision_config:GotOcr2VisionEncoder:got_ocr2_vision model.language_model:text_config:Qwen2Model:qwen2
    model GotOcr2Model model vision_tower:vision_config:GotOcr2VisionEncoder:got_ocr2_vision language_model:text_config:Qwen2Model:qwen2
    model GraniteDoclingForConditionalGeneration model model.vision_model:vision_config:GraniteDoclingVisionModel:granite_docling_vision model.text_model:text_config:GraniteDoclingTextModel:granite_docling_text
    model GraniteDoclingModel model vision_model:vision_config:GraniteDoclingVisionModel:granite_docling_vision text_model:text_config:GraniteDoclingTextModel:granite_docling_text
    model GraniteSpeech5ForCTC model encoder:encoder_config:GraniteSpeech5Encoder:granite_speech5_encoder
    model GraniteSpeechForConditionalGeneration model model:.:GraniteSpeechModel:granite_speech model.encoder:encoder_config:GraniteSpeechCTCEncoder:granite_speech_encoder model.projector.qformer:projector_config:Blip2QFormerModel:blip_2_qformer model.language_model:text_config:GraniteModel:granite
    model GraniteSpeechModel model encoder:encoder_config:GraniteSpeechCTCEncoder:granite_speech_encoder projector.qformer:projector_config:Blip2QFormerModel:blip_2_qformer language_model:text_config:GraniteModel:granite
    model GraniteSpeechPlusForConditionalGeneration model model:.:GraniteSpeechPlusModel:granite_speech_plus model.encoder:encoder_config:GraniteSpeechPlusCTCEncoder:granite_speech_plus_encoder model.projector.qformer:projector_config:Blip2QFormerModel:blip_2_qformer model.language_model:text_config:GraniteModel:granite
    model GraniteSpeechPlusModel model encoder:encoder_config:GraniteSpeechPlusCTCEncoder:granite_speech_plus_encoder projector.qformer:projector_config:Blip2QFormerModel:blip_2_qformer language_model:text_config:GraniteModel:granite
    model GroundingDinoForObjectDetection model model.backbone.conv_encoder.model:backbone_config:SwinBackbone:swin model.backbone.conv_encoder.model.swin:backbone_config:SwinModel:swin model.backbone.conv_encoder.model.swin.encoder:backbone_config:SwinEncoder:swin model.text_backbone:text_config:BertModel:bert
    model GroundingDinoModel model backbone.conv_encoder.model:backbone_config:SwinBackbone:swin backbone.conv_encoder.model.swin:backbone_config:SwinModel:swin backbone.conv_encoder.model.swin.encoder:backbone_config:SwinEncoder:swin text_backbone:text_config:BertModel:bert
    model GroupViTModel groupvit text_model:text_config:GroupViTTextTransformer:groupvit_text_model
    model HYV4VLForConditionalGeneration model model.language_model:text_config:HYV4VLTextModel:hy_v4_vl_text model.vision_tower:vision_config:HYV4VLVisionModel:hy_v4_vl_vision
    model HYV4VLModel model language_model:text_config:HYV4VLTextModel:hy_v4_vl_text vision_tower:vision_config:HYV4VLVisionModel:hy_v4_vl_vision
    model HunYuanVLForConditionalGeneration model model.language_model:text_config:HunYuanVLTextModel:hunyuan_vl_text model.vision_tower:vision_config:HunYuanVLVisionTransformer:hunyuan_vl_vision
    model HunYuanVLModel model language_model:text_config:HunYuanVLTextModel:hunyuan_vl_text vision_tower:vision_config:HunYuanVLVisionTransformer:hunyuan_vl_vision
    model HyperCLOVAXVisionV2ForConditionalGeneration model model.vision_model:vision_config:Qwen2_5_VisionTransformerPretrainedModel:qwen2_5_vl_vision model.language_model:text_config:HyperCLOVAXModel:hyperclovax
    model HyperCLOVAXVisionV2Model model vision_model:vision_config:Qwen2_5_VisionTransformerPretrainedModel:qwen2_5_vl_vision language_model:text_config:HyperCLOVAXModel:hyperclovax
    model IJepaForImageClassification ijepa ijepa:.:IJepaModel:ijepa
    model Idefics2ForConditionalGeneration model model.vision_model:vision_config:Idefics2VisionTransformer:idefics2_vision model.connector.perceiver_resampler:perceiver_config:Idefics2PerceiverResampler:idefics2_perceiver model.text_model:text_config:MistralModel:mistral
    model Idefics2Model model vision_model:vision_config:Idefics2VisionTransformer:idefics2_vision connector.perceiver_resampler:perceiver_config:Idefics2PerceiverResampler:idefics2_perceiver text_model:text_config:MistralModel:mistral
    model Idefics3ForConditionalGeneration model model.vision_model:vision_config:Idefics3VisionTransformer:idefics3_vision model.text_model:text_config:LlamaModel:llama
    model Idefics3Model model vision_model:vision_config:Idefics3VisionTransformer:idefics3_vision text_model:text_config:LlamaModel:llama
    model Inkling2ForConditionalGeneration model model.language_model:text_config:Inkling2TextModel:inkling2_text model.vision_tower:vision_config:Inkling2VisionModel:inkling2_vision
    model Inkling2LoopForConditionalGeneration model model.language_model:text_config:Inkling2LoopTextModel:inkling2_loop_text model.vision_tower:vision_config:Inkling2VisionModel:inkling2_vision
    model Inkling2LoopModel model language_model:text_config:Inkling2LoopTextModel:inkling2_loop_text vision_tower:vision_config:Inkling2VisionModel:inkling2_vision
    model Inkling2Model model language_model:text_config:Inkling2TextModel:inkling2_text vision_tower:vision_config:Inkling2VisionModel:inkling2_vision
    model InklingForConditionalGeneration model model.language_model:text_config:InklingTextModel:inkling_text model.audio_tower:audio_config:InklingAudioModel:inkling_audio model.vision_tower:vision_config:InklingVisionModel:inkling_vision
    model InklingModel model language_model:text_config:InklingTextModel:inkling_text audio_tower:audio_config:InklingAudioModel:inkling_audio vision_tower:vision_config:InklingVisionModel:inkling_vision
    model InstructBlipForConditionalGeneration blip vision_model:vision_config:InstructBlipVisionModel:instructblip_vision_model qformer:qformer_config:InstructBlipQFormerModel:instructblip_qformer language_model:text_config:OPTForCausalLM:opt language_model.model:text_config:OPTModel:opt language_model.model.decoder:text_config:OPTDecoder:opt
    model InstructBlipModel blip vision_model:vision_config:InstructBlipVisionModel:instructblip_vision_model qformer:qformer_config:InstructBlipQFormerModel:instructblip_qformer language_model:text_config:OPTModel:opt language_model.decoder:text_config:OPTDecoder:opt
    model InstructBlipVideoForConditionalGeneration blip vision_model:vision_config:InstructBlipVideoVisionModel:instructblipvideo_vision_model qformer:qformer_config:InstructBlipVideoQFormerModel:instructblipvideo_qformer language_model:text_config:OPTForCausalLM:opt language_model.model:text_config:OPTModel:opt language_model.model.decoder:text_config:OPTDecoder:opt
    model InstructBlipVideoModel blip vision_model:vision_config:InstructBlipVideoVisionModel:instructblipvideo_vision_model qformer:qformer_config:InstructBlipVideoQFormerModel:instructblipvideo_qformer language_model:text_config:OPTModel:opt language_model.decoder:text_config:OPTDecoder:opt
    model InternVLForConditionalGeneration model model:.:InternVLModel:internvl model.vision_tower:vision_config:InternVLVisionModel:internvl_vision model.language_model:text_config:Qwen2Model:qwen2
    model InternVLModel model vision_tower:vision_config:InternVLVisionModel:internvl_vision language_model:text_config:Qwen2Model:qwen2
    model JanusForConditionalGeneration model model.vision_model:vision_config:JanusVisionModel:janus_vision_model model.vqmodel:vq_config:JanusVQVAE:janus_vqgan model.language_model:text_config:LlamaModel:llama
    model JanusModel model vision_model:vision_config:JanusVisionModel:janus_vision_model vqmodel:vq_config:JanusVQVAE:janus_vqgan language_model:text_config:LlamaModel:llama
    model Kimi_K25ForConditionalGeneration model model.vision_tower:vision_config:Kimi_K25VisionModel:kimi_k25_vision model.language_model:text_config:DeepseekV3Model:deepseek_v3
    model Kimi_K25Model model vision_tower:vision_config:Kimi_K25VisionModel:kimi_k25_vision language_model:text_config:DeepseekV3Model:deepseek_v3
    model Kosmos2ForConditionalGeneration . text_model:text_config:Kosmos2TextForCausalLM:kosmos_2_text_model text_model.model:text_config:Kosmos2TextTransformer:kosmos_2_text_model vision_model:vision_config:Kosmos2VisionModel:kosmos_2_vision_model vision_model.model:vision_config:Kosmos2VisionTransformer:kosmos_2_vision_model
    model Kosmos2Model . text_model:text_config:Kosmos2TextModel:kosmos_2_text_model text_model.model:text_config:Kosmos2TextTransformer:kosmos_2_text_model vision_model:vision_config:Kosmos2VisionModel:kosmos_2_vision_model vision_model.model:vision_config:Kosmos2VisionTransformer:kosmos_2_vision_model
    model Kosmos2_5ForConditionalGeneration . text_model:text_config:Kosmos2_5TextForCausalLM:kosmos_2_5_text_model text_model.model:text_config:Kosmos2_5TextTransformer:kosmos_2_5_text_model vision_model:vision_config:Kosmos2_5VisionModel:kosmos_2_5_vision_model vision_model.encoder:vision_config:Kosmos2_5VisionEncoder:kosmos_2_5_vision_model
    model Kosmos2_5Model . text_model:text_config:Kosmos2_5TextModel:kosmos_2_5_text_model text_model.model:text_config:Kosmos2_5TextTransformer:kosmos_2_5_text_model vision_model:vision_config:Kosmos2_5VisionModel:kosmos_2_5_vision_model vision_model.encoder:vision_config:Kosmos2_5VisionEncoder:kosmos_2_5_vision_model
    model KyutaiSpeechToTextForConditionalGeneration model codec_model:codec_config:MimiModel:mimi codec_model.encoder:.:MimiEncoderModel:mimi codec_model.decoder:.:MimiDecoderModel:mimi
    model LasrForCTC model encoder:encoder_config:LasrEncoder:lasr_encoder
    model Lfm2VlForConditionalGeneration model model.vision_tower:vision_config:Siglip2VisionModel:siglip2_vision_model model.language_model:text_config:Lfm2Model:lfm2
    model Lfm2VlModel model vision_tower:vision_config:Siglip2VisionModel:siglip2_vision_model language_model:text_config:Lfm2Model:lfm2
    model Lfm3VlForConditionalGeneration model model.language_model:text_config:Lfm3Model:lfm3 model.vision_tower:vision_config:Lfm3VlVisionModel:lfm3_vl_vision
    model Lfm3VlModel model language_model:text_config:Lfm3Model:lfm3 vision_tower:vision_config:Lfm3VlVisionModel:lfm3_vl_vision
    model LightGlueForKeypointMatching lightglue keypoint_detector:keypoint_detector_config:SuperPointForKeypointDetection:superpoint
    model LightOnOcrForConditionalGeneration model model.vision_encoder:vision_config:PixtralVisionModel:pixtral model.language_model:text_config:Qwen3Model:qwen3
    model LightOnOcrModel . vision_encoder:vision_config:PixtralVisionModel:pixtral language_model:text_config:Qwen3Model:qwen3
    model Llama4ForConditionalGeneration model vision_model:vision_config:Llama4VisionModel:llama4_vision_model language_model:text_config:Llama4ForCausalLM:llama4_text language_model.model:text_config:Llama4TextModel:llama4_text
    model LlavaForConditionalGeneration model model:.:LlavaModel:llava model.vision_tower:vision_config:CLIPVisionModel:clip_vision_model model.language_model:text_config:LlamaModel:llama
    model LlavaModel model vision_tower:vision_config:CLIPVisionModel:clip_vision_model language_model:text_config:LlamaModel:llama
    model LlavaNextForConditionalGeneration model model:.:LlavaNextModel:llava_next model.vision_tower:vision_config:CLIPVisionModel:clip_vision_model model.language_model:text_config:LlamaModel:llama
    model LlavaNextModel model vision_tower:vision_config:CLIPVisionModel:clip_vision_model language_model:text_config:LlamaModel:llama
    model LlavaNextVideoForConditionalGeneration model model:.:LlavaNextVideoModel:llava_next_video model.vision_tower:vision_config:CLIPVisionModel:clip_vision_model model.language_model:text_config:LlamaModel:llama
    model LlavaNextVideoModel model vision_tower:vision_config:CLIPVisionModel:clip_vision_model language_model:text_config:LlamaModel:llama
    model LlavaOnevisionForConditionalGeneration model model:.:LlavaOnevisionModel:llava_onevision model.vision_tower:vision_config:SiglipVisionModel:siglip_vision_model model.language_model:text_config:Qwen2Model:qwen2
    model LlavaOnevisionModel model vision_tower:vision_config:SiglipVisionModel:siglip_vision_model language_model:text_config:Qwen2Model:qwen2
    model LwDetrForObjectDetection model model.backbone.backbone:backbone_config:LwDetrViTBackbone:lw_detr_vit model.backbone.backbone.encoder:backbone_config:LwDetrViTEncoder:lw_detr_vit
    model LwDetrModel model backbone.backbone:backbone_config:LwDetrViTBackbone:lw_detr_vit backbone.backbone.encoder:backbone_config:LwDetrViTEncoder:lw_detr_vit
    model MMGroundingDinoForObjectDetection model model.backbone.conv_encoder.model:backbone_config:SwinBackbone:swin model.backbone.conv_encoder.model.swin:backbone_config:SwinModel:swin model.backbone.conv_encoder.model.swin.encoder:backbone_config:SwinEncoder:swin model.text_backbone:text_config:BertModel:bert
    model MMGroundingDinoModel model backbone.conv_encoder.model:backbone_config:SwinBackbone:swin backbone.conv_encoder.model.swin:backbone_config:SwinModel:swin backbone.conv_encoder.model.swin.encoder:backbone_config:SwinEncoder:swin text_backbone:text_config:BertModel:bert
    model Mask2FormerForUniversalSegmentation model model.pixel_level_module.encoder:backbone_config:SwinBackbone:swin model.pixel_level_module.encoder.swin:backbone_config:SwinModel:swin model.pixel_level_module.encoder.swin.encoder:backbone_config:SwinEncoder:swin
    model Mask2FormerModel model pixel_level_module.encoder:backbone_config:SwinBackbone:swin pixel_level_module.encoder.swin:backbone_config:SwinModel:swin pixel_level_module.encoder.swin.encoder:backbone_config:SwinEncoder:swin
    model MaskFormerForInstanceSegmentation model model.pixel_level_module.encoder:backbone_config:MaskFormerSwinBackbone:swin model.pixel_level_module.encoder.model:backbone_config:MaskFormerSwinModel:swin model.transformer_module.decoder:decoder_config:MaskFormerDetrDecoder:detr
    model MaskFormerModel model pixel_level_module.encoder:backbone_config:MaskFormerSwinBackbone:swin pixel_level_module.encoder.model:backbone_config:MaskFormerSwinModel:swin transformer_module.decoder:decoder_config:MaskFormerDetrDecoder:detr
    model MetaClip2ForImageClassification metaclip_2 vision_model:vision_config:MetaClip2VisionModel:metaclip_2_vision_model
    model MetaClip2Model metaclip_2 text_model:text_config:MetaClip2TextModel:metaclip_2_text_model vision_model:vision_config:MetaClip2VisionModel:metaclip_2_vision_model
    model MimiModel mimi encoder:.:MimiEncoderModel:mimi decoder:.:MimiDecoderModel:mimi
    model MiniCPMOcrForConditionalGeneration model model.vision_tower:vision_config:MiniCPMOcrVisionModel:minicpm_ocr_vision model.language_model:text_config:Qwen3_5TextModel:qwen3_5_text
    model MiniCPMOcrModel model vision_tower:vision_config:MiniCPMOcrVisionModel:minicpm_ocr_vision language_model:text_config:Qwen3_5TextModel:qwen3_5_text
    model MiniCPMV4_6ForConditionalGeneration model model.vision_tower:vision_config:MiniCPMV4_6VisionModel:minicpmv4_6_vision model.language_model:text_config:Qwen3_5TextModel:qwen3_5_text
    model MiniCPMV4_6Model model vision_tower:vision_config:MiniCPMV4_6VisionModel:minicpmv4_6_vision language_model:text_config:Qwen3_5TextModel:qwen3_5_text
    model MiniCPMV4_7ForConditionalGeneration model model.vision_tower:vision_config:MiniCPMV4_7VisionModel:minicpmv4_7_vision model.language_model:text_config:Qwen3_5TextModel:qwen3_5_text
    model MiniCPMV4_7Model model vision_tower:vision_config:MiniCPMV4_7VisionModel:minicpmv4_7_vision language_model:text_config:Qwen3_5TextModel:qwen3_5_text
    model MiniMaxM3SparseForConditionalGeneration model model.vision_tower:vision_config:MiniMaxM3VLVisionModel:minimax_m3_vl_vision model.language_model:text_config:MiniMaxM3VLTextModel:minimax_m3_vl_text
    model MiniMaxM3VLModel model vision_tower:vision_config:MiniMaxM3VLVisionModel:minimax_m3_vl_vision language_model:text_config:MiniMaxM3VLTextModel:minimax_m3_vl_text
    model Mistral3ForConditionalGeneration model model:.:Mistral3Model:mistral3 model.vision_tower:vision_config:PixtralVisionModel:pixtral model.language_model:text_config:MistralModel:mistral
    model Mistral3Model model vision_tower:vision_config:PixtralVisionModel:pixtral language_model:text_config:MistralModel:mistral
    model MistralLarge4ForConditionalGeneration model model.vision_tower:vision_config:PixtralVisionModel:pixtral model.language_model:text_config:MistralLarge4TextModel:mistral_large4_text
    model MistralLarge4Model model vision_tower:vision_config:PixtralVisionModel:pixtral language_model:text_config:MistralLarge4TextModel:mistral_large4_text
    model MllamaForConditionalGeneration model model:.:MllamaModel:mllama model.vision_model:vision_config:MllamaVisionModel:mllama_vision_model model.language_model:text_config:MllamaTextModel:mllama_text_model
    model MllamaModel model vision_model:vision_config:MllamaVisionModel:mllama_vision_model language_model:text_config:MllamaTextModel:mllama_text_model
    model ModernVBertForMaskedLM model model.vision_model:vision_config:SiglipVisionModel:siglip_vision_model model.text_model:text_config:ModernBertModel:modernbert
    model ModernVBertForSequenceClassification model model.vision_model:vision_config:SiglipVisionModel:siglip_vision_model model.text_model:text_config:ModernBertModel:modernbert
    model ModernVBertForTokenClassification model model.vision_model:vision_config:SiglipVisionModel:siglip_vision_model model.text_model:text_config:ModernBertModel:modernbert
    model ModernVBertModel model vision_model:vision_config:SiglipVisionModel:siglip_vision_model text_model:text_config:ModernBertModel:modernbert
    model Molmo2ForConditionalGeneration model model.vision_tower:vision_config:Molmo2VisionModel:molmo2_vision model.multi_modal_projector:adapter_config:Molmo2Adapter:molmo2_adapter model.language_model:text_config:Molmo2TextModel:molmo2_text
    model Molmo2Model model vision_tower:vision_config:Molmo2VisionModel:molmo2_vision multi_modal_projector:adapter_config:Molmo2Adapter:molmo2_adapter language_model:text_config:Molmo2TextModel:molmo2_text
    model MossTranscribeDiarizeForConditionalGeneration model model.audio_tower:audio_config:MossTranscribeDiarizeAudioModel:moss_transcribe_diarize_audio model.language_model:text_config:Qwen3Model:qwen3
    model MossTranscribeDiarizeModel model audio_tower:audio_config:MossTranscribeDiarizeAudioModel:moss_transcribe_diarize_audio language_model:text_config:Qwen3Model:qwen3
    model MuseGlimmerForConditionalGeneration model model.vision_tower:vision_config:MuseGlimmerVisionModel:muse_glimmer_vision model.language_model:text_config:MuseGlimmerTextModel:muse_glimmer_text
    model MuseGlimmerModel model vision_tower:vision_config:MuseGlimmerVisionModel:muse_glimmer_vision language_model:text_config:MuseGlimmerTextModel:muse_glimmer_text
    model MuseSparkForConditionalGeneration model model.vision_tower:vision_config:MuseSparkVisionModel:muse_spark_vision model.language_model:text_config:MuseSparkTextModel:muse_spark_text model.audio_tower:audio_config:MuseSparkAudioModel:muse_spark_audio
    model MuseSparkModel model vision_tower:vision_config:MuseSparkVisionModel:muse_spark_vision language_model:text_config:MuseSparkTextModel:muse_spark_text audio_tower:audio_config:MuseSparkAudioModel:muse_spark_audio
    model MusicFlamingoForConditionalGeneration model model:.:MusicFlamingoModel:musicflamingo model.audio_tower:audio_config:AudioFlamingo3Encoder:audioflamingo3_encoder model.language_model:text_config:Qwen2Model:qwen2
    model MusicFlamingoModel model audio_tower:audio_config:AudioFlamingo3Encoder:audioflamingo3_encoder language_model:text_config:Qwen2Model:qwen2
    model MusicgenForConditionalGeneration encoder_decoder text_encoder:text_encoder:T5EncoderModel:t5 text_encoder.encoder:text_encoder:T5Stack:t5 audio_encoder:audio_encoder:EncodecModel:encodec decoder:decoder:MusicgenForCausalLM:musicgen_decoder decoder.model:decoder:MusicgenModel:musicgen_decoder decoder.model.decoder:decoder:MusicgenDecoder:musicgen_decoder
    model MusicgenMelodyForConditionalGeneration . text_encoder:text_encoder:T5EncoderModel:t5 text_encoder.encoder:text_encoder:T5Stack:t5 audio_encoder:audio_encoder:EncodecModel:encodec decoder:decoder:MusicgenMelodyForCausalLM:musicgen_melody_decoder decoder.model:decoder:MusicgenMelodyModel:musicgen_melody_decoder decoder.model.decoder:decoder:MusicgenMelodyDecoder:musicgen_melody_decoder
    model Nemotron3DiarizationForAudioFrameClassification model model.audio_tower:audio_config:Nemotron3DiarizationAudioModel:nemotron3_diarization_audio
    model Nemotron3DiarizationModel model audio_tower:audio_config:Nemotron3DiarizationAudioModel:nemotron3_diarization_audio
    model Nemotron3_5AsrForRNNT model encoder:encoder_config:NemotronAsrStreamingEncoder:nemotron_asr_streaming_encoder
    model Nemotron3_5TranscribeAudioModel model asr_encoder:asr_config:Nemotron3_5TranscribeAsrAudioModel:nemotron3_5_transcribe_asr_audio diarization_model:diarization_config:Nemotron3DiarizationForAudioFrameClassification:nemotron3_diarization diarization_model.model:diarization_config:Nemotron3DiarizationModel:nemotron3_diarization diarization_model.model.audio_tower:diarization_config.audio_config:Nemotron3DiarizationAudioModel:nemotron3_diarization_audio
    model Nemotron3_5TranscribeForConditionalGeneration model model.audio_tower:audio_config:Nemotron3_5TranscribeAudioModel:nemotron3_5_transcribe_audio model.audio_tower.asr_encoder:audio_config.asr_config:Nemotron3_5TranscribeAsrAudioModel:nemotron3_5_transcribe_asr_audio model.audio_tower.diarization_model:audio_config.diarization_config:Nemotron3DiarizationForAudioFrameClassification:nemotron3_diarization model.audio_tower.diarization_model.model:audio_config.diarization_config:Nemotron3DiarizationModel:nemotron3_diarization model.audio_tower.diarization_model.model.audio_tower:audio_config.diarization_config.audio_config:Nemotron3DiarizationAudioModel:nemotron3_diarization_audio model.language_model:text_config:NemotronHModel:nemotron_h model.word_timestamp_encoder:word_timestamp_config:Nemotron3_5TranscribeWordTimestampModel:nemotron3_5_transcribe_word_timestamp
    model Nemotron3_5TranscribeModel model audio_tower:audio_config:Nemotron3_5TranscribeAudioModel:nemotron3_5_transcribe_audio audio_tower.asr_encoder:audio_config.asr_config:Nemotron3_5TranscribeAsrAudioModel:nemotron3_5_transcribe_asr_audio audio_tower.diarization_model:audio_config.diarization_config:Nemotron3DiarizationForAudioFrameClassification:nemotron3_diarization audio_tower.diarization_model.model:audio_config.diarization_config:Nemotron3DiarizationModel:nemotron3_diarization audio_tower.diarization_model.model.audio_tower:audio_config.diarization_config.audio_config:Nemotron3DiarizationAudioModel:nemotron3_diarization_audio language_model:text_config:NemotronHModel:nemotron_h word_timestamp_encoder:word_timestamp_config:Nemotron3_5TranscribeWordTimestampModel:nemotron3_5_transcribe_word_timestamp
    model NemotronAsrStreamingForRNNT model encoder:encoder_config:NemotronAsrStreamingEncoder:nemotron_asr_streaming_encoder
    model NemotronH_Omni_Reasoning_V3 . language_model:text_config:NemotronHForCausalLM:nemotron_h language_model.model:text_config:NemotronHModel:nemotron_h vision_model:vision_config:RadioModel:radio vision_model.encoder:vision_config:RadioEncoder:radio
    model NeuCodecModel neucodec semantic_encoder:semantic_model_config:Wav2Vec2BertModel:wav2vec2-bert
    model OmniASRCTCModel model audio_tower:audio_config:OmniASRAudioModel:omniasr_audio
    model OmniASRForCTC model model.audio_tower:audio_config:OmniASRAudioModel:omniasr_audio
    model OmniASRForConditionalGeneration model model.audio_tower:audio_config:OmniASRAudioModel:omniasr_audio model.language_model:text_config:LlamaModel:llama
    model OmniASRModel model audio_tower:audio_config:OmniASRAudioModel:omniasr_audio language_model:text_config:LlamaModel:llama
    model OneFormerForUniversalSegmentation model model.pixel_level_module.encoder:backbone_config:SwinBackbone:swin model.pixel_level_module.encoder.swin:backbone_config:SwinModel:swin model.pixel_level_module.encoder.swin.encoder:backbone_config:SwinEncoder:swin
    model OneFormerModel model pixel_level_module.encoder:backbone_config:SwinBackbone:swin pixel_level_module.encoder.swin:backbone_config:SwinModel:swin pixel_level_module.encoder.swin.encoder:backbone_config:SwinEncoder:swin
    model Ovis2ForConditionalGeneration model model.vision_tower:vision_config:Ovis2VisionModel:ovis2_vision model.language_model:text_config:Qwen2Model:qwen2
    model Ovis2Model model vision_tower:vision_config:Ovis2VisionModel:ovis2_vision language_model:text_config:Qwen2Model:qwen2
    model OwlViTForObjectDetection owlvit owlvit.text_model:text_config:OwlViTTextTransformer:owlvit_text_model owlvit.vision_model:vision_config:OwlViTVisionTransformer:owlvit_vision_model
    model OwlViTModel owlvit text_model:text_config:OwlViTTextTransformer:owlvit_text_model vision_model:vision_config:OwlViTVisionTransformer:owlvit_vision_model
    model Owlv2ForObjectDetection owlv2 owlv2.text_model:text_config:Owlv2TextTransformer:owlv2_text_model owlv2.vision_model:vision_config:Owlv2VisionTransformer:owlv2_vision_model
    model Owlv2Model owlv2 text_model:text_config:Owlv2TextTransformer:owlv2_text_model vision_model:vision_config:Owlv2VisionTransformer:owlv2_vision_model
    model PI0ForConditionalGeneration model model.dit:dit_config:GemmaModel:gemma model.vlm:vlm_config:PaliGemmaModel:paligemma model.vlm.vision_tower:vlm_config.vision_config:SiglipVisionModel:siglip_vision_model model.vlm.language_model:vlm_config.text_config:GemmaModel:gemma
    model PI0Model model dit:dit_config:GemmaModel:gemma vlm:vlm_config:PaliGemmaModel:paligemma vlm.vision_tower:vlm_config.vision_config:SiglipVisionModel:siglip_vision_model vlm.language_model:vlm_config.text_config:GemmaModel:gemma
    model PPDocLayoutV2ForObjectDetection model model.backbone.model:backbone_config:HGNetV2Backbone:hgnet_v2 reading_order:reading_order_config:PPDocLayoutV2ReadingOrder:
    model PPDocLayoutV3ForObjectDetection model model.backbone.model:backbone_config:HGNetV2Backbone:hgnet_v2
    model PPDocLayoutV3Model model backbone.model:backbone_config:HGNetV2Backbone:hgnet_v2
    model PPDocLayoutV4ForObjectDetection model model.backbone.model:backbone_config:HGNetV2Backbone:hgnet_v2
    model PPDocLayoutV4Model model backbone.model:backbone_config:HGNetV2Backbone:hgnet_v2
    model PPFormulaNetForConditionalGeneration model model.decoder:text_config:PPFormulaNetTextModel:pp_formulanet_text model.encoder:vision_config:PPFormulaNetVisionModel:pp_formulanet_vision
    model PPOCRV5MobileDetForObjectDetection model model.backbone:backbone_config:PPLCNetV3Backbone:pp_lcnet_v3 model.backbone.encoder:backbone_config:PPLCNetV3Encoder:pp_lcnet_v3
    model PPOCRV5MobileRecForTextRecognition model model.backbone:backbone_config:PPLCNetV3Backbone:pp_lcnet_v3 model.backbone.encoder:backbone_config:PPLCNetV3Encoder:pp_lcnet_v3
    model PPOCRV5MobileRecModel model backbone:backbone_config:PPLCNetV3Backbone:pp_lcnet_v3 backbone.encoder:backbone_config:PPLCNetV3Encoder:pp_lcnet_v3
    model PPOCRV5ServerRecForTextRecognition model model.backbone:backbone_config:HGNetV2Backbone:hgnet_v2
    model PPOCRV5ServerRecModel model backbone:backbone_config:HGNetV2Backbone:hgnet_v2
    model PPOCRV6SmallDetForObjectDetection model model.backbone:backbone_config:PPLCNetV4Backbone:pp_lcnet_v4 model.backbone.encoder:backbone_config:PPLCNetV4Encoder:pp_lcnet_v4
    model PPOCRV6SmallDetModel model backbone:backbone_config:PPLCNetV4Backbone:pp_lcnet_v4 backbone.encoder:backbone_config:PPLCNetV4Encoder:pp_lcnet_v4
    model PPOCRV6SmallRecForTextRecognition model model.backbone:backbone_config:PPLCNetV4Backbone:pp_lcnet_v4 model.backbone.encoder:backbone_config:PPLCNetV4Encoder:pp_lcnet_v4
    model PPOCRV6SmallRecModel model backbone:backbone_config:PPLCNetV4Backbone:pp_lcnet_v4 backbone.encoder:backbone_config:PPLCNetV4Encoder:pp_lcnet_v4
    model PPOCRV6TinyRecForTextRecognition model model.backbone:backbone_config:PPLCNetV4Backbone:pp_lcnet_v4 model.backbone.encoder:backbone_config:PPLCNetV4Encoder:pp_lcnet_v4
    model PPOCRV6TinyRecModel model backbone:backbone_config:PPLCNetV4Backbone:pp_lcnet_v4 backbone.encoder:backbone_config:PPLCNetV4Encoder:pp_lcnet_v4
    model PaddleOCRVLForConditionalGeneration model model.visual:vision_config:PaddleOCRVisionModel:paddleocr_vl_vision model.visual.vision_model:vision_config:PaddleOCRVisionTransformer:paddleocr_vl_vision model.language_model:text_config:PaddleOCRTextModel:paddleocr_vl_text
    model PaddleOCRVLModel model visual:vision_config:PaddleOCRVisionModel:paddleocr_vl_vision visual.vision_model:vision_config:PaddleOCRVisionTransformer:paddleocr_vl_vision language_model:text_config:PaddleOCRTextModel:paddleocr_vl_text
    model PaliGemmaForConditionalGeneration model model:.:PaliGemmaModel:paligemma model.vision_tower:vision_config:SiglipVisionModel:siglip_vision_model model.language_model:text_config:GemmaModel:gemma
    model PaliGemmaModel model vision_tower:vision_config:SiglipVisionModel:siglip_vision_model language_model:text_config:GemmaModel:gemma
    model ParakeetForCTC model encoder:encoder_config:ParakeetEncoder:parakeet_encoder
    model ParakeetForRNNT model encoder:encoder_config:ParakeetEncoder:parakeet_encoder
    model ParakeetForTDT model encoder:encoder_config:ParakeetEncoder:parakeet_encoder
    model PeAudioModel audio_model text_model:text_config:ModernBertModel:modernbert audio_encoder:audio_config:PeAudioEncoder:pe_audio_encoder
    model Phi4MultimodalForCausalLM model model.embed_tokens_extend.image_embed.img_processor:vision_config:Phi4MultimodalVisionModel:phi4_multimodal_vision model.embed_tokens_extend.audio_embed.encoder:audio_config:Phi4MultimodalAudioModel:phi4_multimodal_audio
    model Phi4MultimodalModel model embed_tokens_extend.image_embed.img_processor:vision_config:Phi4MultimodalVisionModel:phi4_multimodal_vision embed_tokens_extend.audio_embed.encoder:audio_config:Phi4MultimodalAudioModel:phi4_multimodal_audio
    model Pix2StructForConditionalGeneration . encoder:vision_config:Pix2StructVisionModel:pix2struct_vision_model decoder:text_config:Pix2StructTextModel:pix2struct_text_model
    model PromptDepthAnythingForDepthEstimation prompt_depth_anything backbone:backbone_config:Dinov2Backbone:dinov2 backbone.encoder:backbone_config:Dinov2Encoder:dinov2
    model QianfanOCRForConditionalGeneration model model.vision_tower:vision_config:QianfanOCRVisionModel:qianfan_ocr_vision model.language_model:text_config:Qwen3Model:qwen3
    model QianfanOCRModel model vision_tower:vision_config:QianfanOCRVisionModel:qianfan_ocr_vision language_model:text_config:Qwen3Model:qwen3
    model Qwen2AudioForConditionalGeneration model model:.:Qwen2AudioModel:qwen2_audio model.audio_tower:audio_config:Qwen2AudioEncoder:qwen2_audio_encoder model.language_model:text_config:Qwen2Model:qwen2
    model Qwen2AudioModel model audio_tower:audio_config:Qwen2AudioEncoder:qwen2_audio_encoder language_model:text_config:Qwen2Model:qwen2
    model Qwen2VLForConditionalGeneration model model:.:Qwen2VLModel:qwen2_vl model.visual:vision_config:Qwen2VisionTransformerPretrainedModel:qwen2_vl_vision model.language_model:text_config:Qwen2VLTextModel:qwen2_vl_text
    model Qwen2VLModel model visual:vision_config:Qwen2VisionTransformerPretrainedModel:qwen2_vl_vision language_model:text_config:Qwen2VLTextModel:qwen2_vl_text
    model Qwen2_5OmniForConditionalGeneration model thinker:thinker_config:Qwen2_5OmniThinkerForConditionalGeneration:qwen2_5_omni_thinker thinker.model:thinker_config:Qwen2_5OmniThinkerModel:qwen2_5_omni_thinker thinker.model.audio_tower:thinker_config.audio_config:Qwen2_5OmniAudioEncoder:qwen2_5_omni_audio_encoder thinker.model.visual:thinker_config.vision_config:Qwen2_5OmniVisionEncoder:qwen2_5_omni_vision_encoder thinker.model.language_model:thinker_config.text_config:Qwen2_5OmniThinkerTextModel:qwen2_5_omni_text talker:talker_config:Qwen2_5OmniTalkerForConditionalGeneration:qwen2_5_omni_talker talker.model:talker_config:Qwen2_5OmniTalkerModel:qwen2_5_omni_talker token2wav:token2wav_config:Qwen2_5OmniToken2WavModel:qwen2_5_omni_token2wav token2wav.code2wav_dit_model:token2wav_config.dit_config:Qwen2_5OmniToken2WavDiTModel:qwen2_5_omni_dit token2wav.code2wav_bigvgan_model:token2wav_config.bigvgan_config:Qwen2_5OmniToken2WavBigVGANModel:qwen2_5_omni_bigvgan
    model Qwen2_5OmniThinkerForConditionalGeneration model model:.:Qwen2_5OmniThinkerModel:qwen2_5_omni_thinker model.audio_tower:audio_config:Qwen2_5OmniAudioEncoder:qwen2_5_omni_audio_encoder model.visual:vision_config:Qwen2_5OmniVisionEncoder:qwen2_5_omni_vision_encoder model.language_model:text_config:Qwen2_5OmniThinkerTextModel:qwen2_5_omni_text
    model Qwen2_5OmniThinkerModel model audio_tower:audio_config:Qwen2_5OmniAudioEncoder:qwen2_5_omni_audio_encoder visual:vision_config:Qwen2_5OmniVisionEncoder:qwen2_5_omni_vision_encoder language_model:text_config:Qwen2_5OmniThinkerTextModel:qwen2_5_omni_text
    model Qwen2_5_VLForConditionalGeneration model model:.:Qwen2_5_VLModel:qwen2_5_vl model.visual:vision_config:Qwen2_5_VisionTransformerPretrainedModel:qwen2_5_vl_vision model.language_model:text_config:Qwen2_5_VLTextModel:qwen2_5_vl_text
    model Qwen2_5_VLModel model visual:vision_config:Qwen2_5_VisionTransformerPretrainedModel:qwen2_5_vl_vision language_model:text_config:Qwen2_5_VLTextModel:qwen2_5_vl_text
    model Qwen3ASRForConditionalGeneration model model.audio_tower:audio_config:Qwen3ASREncoder:qwen3_asr_encoder model.language_model:text_config:Qwen3Model:qwen3
    model Qwen3ASRForTokenClassification model model.audio_tower:audio_config:Qwen3ASREncoder:qwen3_asr_encoder model.language_model:text_config:Qwen3Model:qwen3
    model Qwen3ASRModel model audio_tower:audio_config:Qwen3ASREncoder:qwen3_asr_encoder language_model:text_config:Qwen3Model:qwen3
    model Qwen3OmniMoeThinkerForConditionalGeneration model model:.:Qwen3OmniMoeThinkerModel:qwen3_omni_moe_thinker model.audio_tower:audio_config:Qwen3OmniMoeAudioEncoder:qwen3_omni_moe_audio_encoder model.visual:vision_config:Qwen3OmniMoeVisionEncoder:qwen3_omni_moe_vision_encoder model.language_model:text_config:Qwen3OmniMoeThinkerTextModel:qwen3_omni_moe_text
    model Qwen3OmniMoeThinkerModel model audio_tower:audio_config:Qwen3OmniMoeAudioEncoder:qwen3_omni_moe_audio_encoder visual:vision_config:Qwen3OmniMoeVisionEncoder:qwen3_omni_moe_vision_encoder language_model:text_config:Qwen3OmniMoeThinkerTextModel:qwen3_omni_moe_text
    model Qwen3VLForConditionalGeneration model model.visual:vision_config:Qwen3VLVisionModel:qwen3_vl_vision model.language_model:text_config:Qwen3VLTextModel:qwen3_vl_text
    model Qwen3VLModel model visual:vision_config:Qwen3VLVisionModel:qwen3_vl_vision language_model:text_config:Qwen3VLTextModel:qwen3_vl_text
    model Qwen3VLMoeForConditionalGeneration model model.visual:vision_config:Qwen3VLMoeVisionModel:qwen3_vl_moe_vision model.language_model:text_config:Qwen3VLMoeTextModel:qwen3_vl_moe_text
    model Qwen3VLMoeModel model visual:vision_config:Qwen3VLMoeVisionModel:qwen3_vl_moe_vision language_model:text_config:Qwen3VLMoeTextModel:qwen3_vl_moe_text
    model Qwen3_5ForConditionalGeneration model model.visual:vision_config:Qwen3_5VisionModel:qwen3_5_vision model.language_model:text_config:Qwen3_5TextModel:qwen3_5_text
    model Qwen3_5ForSequenceClassification model model.visual:vision_config:Qwen3_5VisionModel:qwen3_5_vision model.language_model:text_config:Qwen3_5TextModel:qwen3_5_text
    model Qwen3_5ForTokenClassification model model.visual:vision_config:Qwen3_5VisionModel:qwen3_5_vision model.language_model:text_config:Qwen3_5TextModel:qwen3_5_text
    model Qwen3_5Model model visual:vision_config:Qwen3_5VisionModel:qwen3_5_vision language_model:text_config:Qwen3_5TextModel:qwen3_5_text
    model Qwen3_5MoeForConditionalGeneration model model.visual:vision_config:Qwen3_5MoeVisionModel:qwen3_5_moe_vision model.language_model:text_config:Qwen3_5MoeTextModel:qwen3_5_moe_text
    model Qwen3_5MoeModel model visual:vision_config:Qwen3_5MoeVisionModel:qwen3_5_moe_vision language_model:text_config:Qwen3_5MoeTextModel:qwen3_5_moe_text
    model Qwen4ExpForConditionalGeneration model model.visual:vision_config:Qwen4ExpVisionModel:qwen4_exp_vision model.language_model:text_config:Qwen4ExpTextModel:qwen4_exp_text
    model Qwen4ExpModel model visual:vision_config:Qwen4ExpVisionModel:qwen4_exp_vision language_model:text_config:Qwen4ExpTextModel:qwen4_exp_text
    model RTDetrForObjectDetection model model.backbone.model:backbone_config:RTDetrResNetBackbone:rt_detr_resnet
    model RTDetrModel model backbone.model:backbone_config:RTDetrResNetBackbone:rt_detr_resnet
    model RTDetrV2ForObjectDetection model model.backbone.model:backbone_config:RTDetrResNetBackbone:rt_detr_resnet
    model RTDetrV2Model model backbone.model:backbone_config:RTDetrResNetBackbone:rt_detr_resnet
    model RfDetrForInstanceSegmentation model model:.:RfDetrForObjectDetection:rf_detr model.model:.:RfDetrModel:rf_detr model.model.backbone.backbone:backbone_config:RfDetrDinov2Backbone:rf_detr_dinov2 model.model.backbone.backbone.encoder:backbone_config:RfDetrDinov2Encoder:rf_detr_dinov2
    model RfDetrForObjectDetection model model:.:RfDetrModel:rf_detr model.backbone.backbone:backbone_config:RfDetrDinov2Backbone:rf_detr_dinov2 model.backbone.backbone.encoder:backbone_config:RfDetrDinov2Encoder:rf_detr_dinov2
    model RfDetrModel model backbone.backbone:backbone_config:RfDetrDinov2Backbone:rf_detr_dinov2 backbone.backbone.encoder:backbone_config:RfDetrDinov2Encoder:rf_detr_dinov2
    model SLANeXtForTableRecognition backbone backbone.vision_tower:vision_config:SLANeXtVisionEncoder:slanext_vision
    model SLANetForTableRecognition backbone backbone.vision_backbone:backbone_config:PPLCNetBackbone:pp_lcnet backbone.vision_backbone.encoder:backbone_config:PPLCNetEncoder:pp_lcnet
    model Sam2Model sam2 vision_encoder:vision_config:Sam2VisionModel:sam2_vision_model vision_encoder.backbone:vision_config.backbone_config:Sam2HieraDetModel:sam2_hiera_det_model
    model Sam2VideoModel sam2_video vision_encoder:vision_config:Sam2VisionModel:sam2_vision_model vision_encoder.backbone:vision_config.backbone_config:Sam2HieraDetModel:sam2_hiera_det_model
    model Sam2VisionModel sam2 backbone:backbone_config:Sam2HieraDetModel:sam2_hiera_det_model
    model Sam3LiteTextModel detector_model vision_encoder:vision_config:Sam3VisionModel:sam3_vision_model vision_encoder.backbone:vision_config.backbone_config:Sam3ViTModel:sam3_vit_model text_encoder:text_config:Sam3LiteTextTextModel:sam3_lite_text_text_model detr_encoder:detr_encoder_config:Sam3LiteTextDetrEncoder:sam3_lite_text_detr_encoder detr_decoder:detr_decoder_config:Sam3LiteTextDetrDecoder:sam3_lite_text_detr_decoder mask_decoder:mask_decoder_config:Sam3LiteTextMaskDecoder:sam3_lite_text_mask_decoder
    model Sam3Model detector_model vision_encoder:vision_config:Sam3VisionModel:sam3_vision_model vision_encoder.backbone:vision_config.backbone_config:Sam3ViTModel:sam3_vit_model text_encoder:text_config:CLIPTextModelWithProjection:clip_text_model text_encoder.text_model:text_config:CLIPTextModel:clip_text_model detr_encoder:detr_encoder_config:Sam3DetrEncoder:sam3_detr_encoder detr_decoder:detr_decoder_config:Sam3DetrDecoder:sam3_detr_decoder mask_decoder:mask_decoder_config:Sam3MaskDecoder:sam3_mask_decoder
    model Sam3TrackerModel sam3_tracker vision_encoder:vision_config:Sam3VisionModel:sam3_vision_model vision_encoder.backbone:vision_config.backbone_config:Sam3ViTModel:sam3_vit_model
    model Sam3TrackerVideoModel tracker_model vision_encoder:vision_config:Sam3VisionModel:sam3_vision_model vision_encoder.backbone:vision_config.backbone_config:Sam3ViTModel:sam3_vit_model
    model Sam3VideoModel sam3_video detector_model:detector_config:Sam3Model:sam3 detector_model.vision_encoder:detector_config.vision_config:Sam3VisionModel:sam3_vision_model detector_model.vision_encoder.backbone:detector_config.vision_config.backbone_config:Sam3ViTModel:sam3_vit_model detector_model.text_encoder:detector_config.text_config:CLIPTextModelWithProjection:clip_text_model detector_model.text_encoder.text_model:detector_config.text_config:CLIPTextModel:clip_text_model detector_model.detr_encoder:detector_config.detr_encoder_config:Sam3DetrEncoder:sam3_detr_encoder detector_model.detr_decoder:detector_config.detr_decoder_config:Sam3DetrDecoder:sam3_detr_decoder detector_model.mask_decoder:detector_config.mask_decoder_config:Sam3MaskDecoder:sam3_mask_decoder tracker_model:tracker_config:Sam3TrackerVideoModel:sam3_tracker_video
    model Sam3VisionModel sam3 backbone:backbone_config:Sam3ViTModel:sam3_vit_model
    model SamHQModel sam_hq vision_encoder:vision_config:SamHQVisionEncoder:sam_hq_vision_model
    model SamModel sam vision_encoder:vision_config:SamVisionEncoder:sam_vision_model
    model SegformerForImageClassification segformer segformer:.:SegformerModel:segformer
    model SegformerForSemanticSegmentation segformer segformer:.:SegformerModel:segformer
    model ShieldGemma2ForImageClassification model model.model:.:Gemma3Model:shieldgemma2 model.model.vision_tower:vision_config:SiglipVisionModel:siglip_vision_model model.model.language_model:text_config:Gemma3TextModel:gemma3_text
    model Siglip2ForImageClassification siglip2 vision_model:vision_config:Siglip2VisionModel:siglip2_vision_model
    model Siglip2Model siglip2 text_model:text_config:Siglip2TextModel:siglip2_text_model vision_model:vision_config:Siglip2VisionModel:siglip2_vision_model
    model SiglipForImageClassification siglip vision_model:vision_config:SiglipVisionModel:siglip_vision_model
    model SiglipModel siglip text_model:text_config:SiglipTextModel:siglip_text_model vision_model:vision_config:SiglipVisionModel:siglip_vision_model
    model SmolVLMForConditionalGeneration model model.vision_model:vision_config:SmolVLMVisionTransformer:smolvlm_vision model.text_model:text_config:LlamaModel:llama
    model SmolVLMModel model vision_model:vision_config:SmolVLMVisionTransformer:smolvlm_vision text_model:text_config:LlamaModel:llama
    model SpeechEncoderDecoderModel speech_encoder_decoder encoder:encoder:Wav2Vec2Model:wav2vec2 decoder:decoder:BertLMHeadModel:bert decoder.bert:decoder:BertModel:bert
    model Step3p7ForConditionalGeneration model model.vision_model:vision_config:Step3p7VisionModel:step3p5_vision model.language_model:text_config:Step3p7TextModel:step3p5
    model Step3p7Model model vision_model:vision_config:Step3p7VisionModel:step3p5_vision language_model:text_config:Step3p7TextModel:step3p5
    model SuperGlueForKeypointMatching superglue keypoint_detector:keypoint_detector_config:SuperPointForKeypointDetection:superpoint
    model T5Gemma2ForConditionalGeneration model model.encoder:encoder:T5Gemma2Encoder:t5gemma2_encoder model.encoder.text_model:encoder.text_config:T5Gemma2TextEncoder:t5gemma2_text model.encoder.vision_tower:encoder.vision_config:SiglipVisionModel:siglip_vision_model model.decoder:decoder:T5Gemma2Decoder:t5gemma2_decoder
    model T5Gemma2ForSequenceClassification model model.encoder:encoder:T5Gemma2Encoder:t5gemma2_encoder model.encoder.text_model:encoder.text_config:T5Gemma2TextEncoder:t5gemma2_text model.encoder.vision_tower:encoder.vision_config:SiglipVisionModel:siglip_vision_model model.decoder:decoder:T5Gemma2Decoder:t5gemma2_decoder
    model T5Gemma2ForTokenClassification model model.encoder:encoder:T5Gemma2Encoder:t5gemma2_encoder model.encoder.text_model:encoder.text_config:T5Gemma2TextEncoder:t5gemma2_text model.encoder.vision_tower:encoder.vision_config:SiglipVisionModel:siglip_vision_model model.decoder:decoder:T5Gemma2Decoder:t5gemma2_decoder
    model T5Gemma2Model model encoder:encoder:T5Gemma2Encoder:t5gemma2_encoder encoder.text_model:encoder.text_config:T5Gemma2TextEncoder:t5gemma2_text encoder.vision_tower:encoder.vision_config:SiglipVisionModel:siglip_vision_model decoder:decoder:T5Gemma2Decoder:t5gemma2_decoder
    model T5GemmaForConditionalGeneration model model.encoder:encoder:T5GemmaEncoder:t5_gemma_module model.decoder:decoder:T5GemmaDecoder:t5_gemma_module
    model T5GemmaForSequenceClassification model model.encoder:encoder:T5GemmaEncoder:t5_gemma_module model.decoder:decoder:T5GemmaDecoder:t5_gemma_module
    model T5GemmaForTokenClassification model model.encoder:encoder:T5GemmaEncoder:t5_gemma_module model.decoder:decoder:T5GemmaDecoder:t5_gemma_module
    model T5GemmaModel model encoder:encoder:T5GemmaEncoder:t5_gemma_module decoder:decoder:T5GemmaDecoder:t5_gemma_module
    model Tipsv2DptForDepthEstimation backbone backbone:backbone_config:Tipsv2VisionBackbone:tipsv2_vision_model backbone.encoder:backbone_config:Tipsv2VisionEncoder:tipsv2_vision_model
    model Tipsv2DptForNormalEstimation backbone backbone:backbone_config:Tipsv2VisionBackbone:tipsv2_vision_model backbone.encoder:backbone_config:Tipsv2VisionEncoder:tipsv2_vision_model
    model Tipsv2DptForSemanticSegmentation backbone backbone:backbone_config:Tipsv2VisionBackbone:tipsv2_vision_model backbone.encoder:backbone_config:Tipsv2VisionEncoder:tipsv2_vision_model
    model Tipsv2Model model text_model:text_config:Tipsv2TextModel:tipsv2_text_model vision_model:vision_config:Tipsv2VisionModel:tipsv2_vision_model vision_model.encoder:vision_config:Tipsv2VisionEncoder:tipsv2_vision_model
    model TvpModel model vision_model.backbone:backbone_config:ResNetBackbone:resnet
    model UVDocModel model backbone:backbone_config:UVDocBackbone:uvdoc_backbone backbone.bridge:backbone_config:UVDocBridge:uvdoc_backbone
    model UltraVBertForMaskedLM model model.vision_model:vision_config:SiglipVisionModel:siglip_vision_model model.text_model:text_config:UltrabertModel:ultrabert
    model UltraVBertForSequenceClassification model model.vision_model:vision_config:SiglipVisionModel:siglip_vision_model model.text_model:text_config:UltrabertModel:ultrabert
    model UltraVBertForTokenClassification model model.vision_model:vision_config:SiglipVisionModel:siglip_vision_model model.text_model:text_config:UltrabertModel:ultrabert
    model UltraVBertModel model vision_model:vision_config:SiglipVisionModel:siglip_vision_model text_model:text_config:UltrabertModel:ultrabert
    model UltrabertForMaskedLM model model:.:UltrabertModel:ultrabert
    model UltrabertForQuestionAnswering model model:.:UltrabertModel:ultrabert
    model UltrabertForSequenceClassification model model:.:UltrabertModel:ultrabert
    model UltrabertForTokenClassification model model:.:UltrabertModel:ultrabert
    model UnlimitedOcrForConditionalGeneration model model.vision_tower:vision_config:UnlimitedOcrVisionModel:unlimited_ocr_vision model.vision_tower.sam_encoder:vision_config.sam_config:UnlimitedOcrSamVisionEncoder:unlimited_ocr_sam_vision_model model.vision_tower.vision_encoder:vision_config.encoder_config:UnlimitedOcrVisionEncoder:unlimited_ocr_vision_encoder model.language_model:text_config:UnlimitedOcrTextModel:unlimited_ocr_text
    model UnlimitedOcrModel model vision_tower:vision_config:UnlimitedOcrVisionModel:unlimited_ocr_vision vision_tower.sam_encoder:vision_config.sam_config:UnlimitedOcrSamVisionEncoder:unlimited_ocr_sam_vision_model vision_tower.vision_encoder:vision_config.encoder_config:UnlimitedOcrVisionEncoder:unlimited_ocr_vision_encoder language_model:text_config:UnlimitedOcrTextModel:unlimited_ocr_text
    model UperNetForSemanticSegmentation . backbone:backbone_config:ResNetBackbone:resnet
    model ViTForImageClassification vit vit:.:ViTModel:vit
    model ViTForMaskedImageModeling vit vit:.:ViTModel:vit
    model ViTMAEForPreTraining vit vit:.:ViTMAEModel:vit_mae
    model ViTMSNForImageClassification vit vit:.:ViTMSNModel:vit_msn
    model VibeVoiceAsrForConditionalGeneration model model:.:VibeVoiceAsrModel:vibevoice_asr model.acoustic_tokenizer_encoder:acoustic_tokenizer_encoder_config:VibeVoiceAcousticTokenizerEncoderModel:vibevoice_acoustic_tokenizer_encoder model.semantic_tokenizer_encoder:semantic_tokenizer_encoder_config:VibeVoiceAcousticTokenizerEncoderModel:vibevoice_acoustic_tokenizer_encoder model.language_model:text_config:Qwen2Model:qwen2
    model VibeVoiceAsrModel model acoustic_tokenizer_encoder:acoustic_tokenizer_encoder_config:VibeVoiceAcousticTokenizerEncoderModel:vibevoice_acoustic_tokenizer_encoder semantic_tokenizer_encoder:semantic_tokenizer_encoder_config:VibeVoiceAcousticTokenizerEncoderModel:vibevoice_acoustic_tokenizer_encoder language_model:text_config:Qwen2Model:qwen2
    model VibeVoiceForConditionalGeneration model model.audio_tower:audio_config:VibeVoiceAcousticTokenizerModel:vibevoice_acoustic_tokenizer model.language_model:text_config:Qwen2Model:qwen2 model.semantic_tokenizer_encoder:semantic_model_config:VibeVoiceAcousticTokenizerEncoderModel:vibevoice_acoustic_tokenizer_encoder
    model VideoLlama3ForConditionalGeneration model model.vision_model:vision_config:VideoLlama3VisionModel:video_llama_3_vision model.language_model:text_config:Qwen2Model:qwen2
    model VideoLlama3Model model vision_model:vision_config:VideoLlama3VisionModel:video_llama_3_vision language_model:text_config:Qwen2Model:qwen2
    model VideoLlavaForConditionalGeneration model model:.:VideoLlavaModel:video_llava model.video_tower:vision_config:CLIPVisionModel:clip_vision_model model.image_tower:vision_config:CLIPVisionModel:clip_vision_model model.language_model:text_config:LlamaModel:llama
    model VideoLlavaModel model video_tower:vision_config:CLIPVisionModel:clip_vision_model image_tower:vision_config:CLIPVisionModel:clip_vision_model language_model:text_config:LlamaModel:llama
    model VideoPrismClipModel model video_model:vision_config:VideoPrismVideoModel:videoprism_vision_model video_model.vision_model:vision_config:VideoPrismVisionModel:videoprism_vision_model text_model:text_config:VideoPrismTextModel:videoprism_text_model
    model VipLlavaForConditionalGeneration model model:.:VipLlavaModel:vipllava model.vision_tower:vision_config:CLIPVisionModel:clip_vision_model model.language_model:text_config:LlamaModel:llama
    model VipLlavaModel model vision_tower:vision_config:CLIPVisionModel:clip_vision_model language_model:text_config:LlamaModel:llama
    model VisionEncoderDecoderModel vision_encoder_decoder encoder:encoder:ViTModel:vit decoder:decoder:BertLMHeadModel:bert decoder.bert:decoder:BertModel:bert
    model VisionTextDualEncoderModel vision_text_dual_encoder vision_model:vision_config:ViTModel:vit text_model:text_config:BertModel:bert
    model VitPoseForPoseEstimation vit backbone:backbone_config:VitPoseBackbone:vitpose_backbone backbone.encoder:backbone_config:VitPoseBackboneEncoder:vitpose_backbone
    model VivitForVideoClassification vivit vivit:.:VivitModel:vivit
    model VoxtralForConditionalGeneration model model:.:VoxtralModel:voxtral model.audio_tower:audio_config:VoxtralEncoder:voxtral_encoder model.language_model:text_config:LlamaModel:llama
    model VoxtralModel model audio_tower:audio_config:VoxtralEncoder:voxtral_encoder language_model:text_config:LlamaModel:llama
    model VoxtralRealtimeForConditionalGeneration model model:.:VoxtralRealtimeModel:voxtral_realtime model.audio_tower:audio_config:VoxtralRealtimeEncoder:voxtral_realtime_encoder model.language_model:text_config:VoxtralRealtimeTextModel:voxtral_realtime_text
    model VoxtralRealtimeModel model audio_tower:audio_config:VoxtralRealtimeEncoder:voxtral_realtime_encoder language_model:text_config:VoxtralRealtimeTextModel:voxtral_realtime_text
    model XCLIPModel x_clip text_model:text_config:XCLIPTextModel:xclip_text_model vision_model:vision_config:XCLIPVisionModel:xclip_vision_model
    model Xcodec2Model xcodec2 semantic_encoder:semantic_model_config:Wav2Vec2BertModel:wav2vec2-bert
    model XcodecModel xcodec semantic_model:semantic_model_config:HubertModel:hubert
    model ZoeDepthForDepthEstimation zoedepth backbone:backbone_config:BeitBackbone:beit backbone.beit:backbone_config:BeitModel:beit
    """#
}
