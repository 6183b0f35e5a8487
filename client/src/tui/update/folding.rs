//! The tree of a JSON body: what is unfolded, and where one is in it.

use super::super::{
    keys::{Action, Tab},
    state::{Pane, State},
    tree::Tree,
};

/// Folds or unfolds where one is, or everything. From the outermost, folding leads back to the list.
pub(super) fn act(state: &mut State, action: Action) {
    let Some(tree) = shown(state) else {
        if action == Action::Fold {
            state.pane = Pane::List;
        }
        return;
    };
    if action == Action::Fold {
        if !tree.fold() {
            state.pane = Pane::List;
        }
    } else if matches!(action, Action::FoldAll | Action::UnfoldAll) {
        tree.fold_all(action == Action::FoldAll);
    } else {
        tree.toggle();
    }
}

/// The tree, when one is on the screen.
pub(super) fn shown(state: &mut State) -> Option<&mut Tree> {
    if state.tab != Tab::Body || state.look.as_sent || state.query.is_some() {
        return None;
    }
    let masks = state.look.masks;
    state.detail.as_mut()?.tree_mut(masks)
}
