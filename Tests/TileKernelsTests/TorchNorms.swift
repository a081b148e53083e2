/// Norms that torch 2.13.0+cpu computes of ``NormTests/sample(_:)``.
enum TorchNorms {
  static let rows: [(columns: Int, bits: [UInt32])] = [
    (1, [0x3b2a_aaab, 0x3baa_aaab]),
    (2, [0x3bbe_cfa7, 0x3c55_5556]),
    (3, [0x3c1f_a4e0, 0x3cbb_3301]),
    (4, [0x3c69_b1e9, 0x3d0c_b3f7]),
    (5, [0x3c9e_3655, 0x3d41_c506]),
    (6, [0x3ccb_81cc, 0x3d7c_31a5]),
    (7, [0x3cfc_6b5d, 0x3d9d_c31b]),
    (8, [0x3d18_59b9, 0x3dbf_b417]),
    (9, [0x3d34_12f6, 0x3de3_c716]),
    (10, [0x3d51_4b8d, 0x3e04_eec8]),
    (11, [0x3d6f_f0d4, 0x3e18_eecc]),
    (13, [0x3d98_a15a, 0x3e43_a1e0]),
    (15, [0x3dbb_ce59, 0x3e71_b29c]),
    (19, [0x3e04_87eb, 0x3eab_861d]),
    (23, [0x3e2f_5a33, 0x3ee3_ca15]),
    (31, [0x3e88_1413, 0x3f31_9669]),
    (64, [0x3f47_6077, 0x4003_00c2]),
    (77, [0x3f83_4c90, 0x402c_bc3f]),
    (300, [0x40fa_9ffa, 0x41a5_895f]),
    (1000, [0x423e_52f6, 0x42fb_aad2]),
    (4097, [0x43c5_2d59, 0x4482_6824]),
  ]

  static let columns: [(rows: Int, bits: [UInt32])] = [
    (
      2,
      [
        0x3d00_7195, 0x3d0c_4c50, 0x3d18_b932, 0x3d25_9759, 0x3d32_ce51, 0x3d40_4bcb,
        0x3d4e_01ef, 0x3d5b_e623, 0x3d69_f032, 0x3d78_19b0, 0x3d83_2ec2,
      ]
    ),
    (
      3,
      [
        0x3d8a_761d, 0x3d91_f642, 0x3d99_a6df, 0x3da1_8109, 0x3da9_7ef9, 0x3db1_9bda,
        0x3db9_d3a1, 0x3dc2_22e2, 0x3dca_86b9, 0x3dd2_fcb3, 0x3ddb_82b5,
      ]
    ),
    (
      17,
      [
        0x3f8e_fe69, 0x3f90_2bd3, 0x3f91_5a20, 0x3f92_894c, 0x3f93_b94e, 0x3f94_ea22,
        0x3f96_1bc5, 0x3f97_4e30, 0x3f98_8160, 0x3f99_b54f, 0x3f9a_e9f9,
      ]
    ),
    (
      100,
      [
        0x4183_7f28, 0x4183_ad43, 0x4183_db63, 0x4184_0989, 0x4184_37b3, 0x4184_65e3,
        0x4184_9419, 0x4184_c254, 0x4184_f095, 0x4185_1eda, 0x4185_4d25,
      ]
    ),
    (
      1000,
      [
        0x4402_ab68, 0x4402_aff6, 0x4402_b487, 0x4402_b918, 0x4402_bda6, 0x4402_c237,
        0x4402_c6c7, 0x4402_cb59, 0x4402_cfe9, 0x4402_d478, 0x4402_d90b,
      ]
    ),
  ]
}
