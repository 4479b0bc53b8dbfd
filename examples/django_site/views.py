"""The feed: views as in any site of Django. None of them knows that the session rotates."""

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from .models import Post


class PostForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's own is not generic
    """A new post."""

    class Meta:
        model = Post
        fields = ("text",)


@login_required
def feed(request: HttpRequest) -> HttpResponse:
    """Show the feed, or add a post to it."""
    form = PostForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        form.instance.author = request.user
        form.save()
        request.session["written"] = request.session.get("written", 0) + 1
        messages.success(request, f"Posted. Your posts in this session: {request.session['written']}")
        return redirect("feed")
    posts = Post.objects.select_related("author")[:20]
    return render(request, "feed.html", {"form": form, "posts": posts})
