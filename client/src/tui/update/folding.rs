//! The tree of a JSON body: what is unfolded, and where one is in it.

use super::super::{
    keys::{Action, Tab},
    state::{Pane, State},
    tree::Tree,
    view::detail,
};

/// Folds or unfolds where one is, or everything. From the outermost, folding leads back to the list.
pub(super) fn act(state: &mut State, action: Action) {
    let columns = state.tree().and_then(|tree| detail::columns_of_parts(state, tree));
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
    } else if let Some(columns) = columns {
        tree.unfold_text(columns);
    } else {
        tree.toggle();
    }
}

/// Goes to a line of the tree; where one is already, it folds or unfolds.
pub(super) fn click(state: &mut State, line: usize) {
    let is_there = shown(state).is_some_and(|tree| tree.cursor() == line);
    if is_there {
        act(state, Action::Open);
    } else if let Some(tree) = shown(state) {
        tree.go(line);
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
