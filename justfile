# Shortcuts; CI runs `.ci/run`.

# Everything CI checks.
ci:
    bash .ci/run

# Format, lints, documentation.
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    cargo clippy -p inhaul --no-default-features --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# Every test.
test:
    cargo test --workspace

# Licences, bans and sources of the dependency tree.
deny:
    cargo deny check bans licenses sources

# See it work.
demo:
    cargo run --release -- demo

# Makes the picture of the README again.
picture:
    INHAUL_PICTURES=write cargo test -p inhaul --lib picture
